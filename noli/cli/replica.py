"""`noli replica export|verify|import`: a new dialer host starts with another's copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import lmdb
import typer

from noli.cli import copies, pepper, target
from noli.cli.problem import ProblemError
from noli.replica import snapshot
from noli.replica.follow import Follower, LogUnavailable
from noli.replica.head import FORMAT, Head, Position, Refused, pepper_check
from noli.replica.lock import SecondWriter
from noli.replica.snapshot import Manifest
from noli.runtime import failpoints

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Export, verify and import the local copy."
)

PathArgument = Annotated[Path, typer.Argument(metavar="PATH", help="The snapshot's directory.")]

_REBUILD = "start the replica without a copy: it builds one from noli.decisions"


@app.command()
def export(path: PathArgument, *, data: target.DataOption = target.DEFAULT_DATA) -> None:
    """Write a consistent snapshot of the local copy to PATH; the copy may be in use."""
    place = copies.place(data, target.settings(data))
    failpoints.arm()
    with _told("give a PATH that is not there yet, on a disk with room for the copy"):
        _show(snapshot.export(place, path), "exported")


@app.command()
def verify(path: PathArgument) -> None:
    """Check that the snapshot at PATH is whole and is what its manifest says."""
    with _told("export it again"):
        _show(snapshot.verify(path), "whole")


@app.command("import")
def import_(path: PathArgument, *, data: target.DataOption = target.DEFAULT_DATA) -> None:
    """Make the snapshot at PATH the local copy; the replica, once started, reads on from it.

    Refused: a torn snapshot, one of another topic or pepper, one older than what the log holds.
    """
    settings = target.settings(data)
    secret = pepper.found(data, settings)
    failpoints.arm()
    with _told(_REBUILD):
        with closing(Follower(settings)) as follower:
            source = follower.source()
        blank = Head(
            FORMAT,
            source.topic_id,
            secret.version,
            pepper_check(secret.secret),
            tuple(Position(first) for first in source.first),
        )
        place = copies.place(data, settings)
        _show(snapshot.bring(path, place, blank, source.end), f"imported to {place}")


@contextmanager
def _told(remedy: str) -> Iterator[None]:
    """What went wrong, in one sentence and with its remedy."""
    try:
        yield
    except Refused as error:
        raise ProblemError(f"refused: {error}", remedy) from None
    except SecondWriter as error:
        raise ProblemError(str(error), "stop the replica while its copy is replaced") from None
    except LogUnavailable as error:
        raise ProblemError(f"the log does not answer: {error}", "see NOLI_KAFKA") from None
    except (OSError, lmdb.Error) as error:
        raise ProblemError(f"{type(error).__name__}: {error}", remedy) from None


def _show(manifest: Manifest, done: str) -> None:
    typer.echo(
        f"{done}: {manifest.contacts:,} contacts, {manifest.bytes:,} bytes, as of {manifest.as_of}"
    )
