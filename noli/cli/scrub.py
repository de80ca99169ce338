"""`noli scrub FILE`: a list through the gate, each row with its verdict, and a certificate."""

from __future__ import annotations

import os
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from noli.cli import copies, pepper, target
from noli.cli.problem import ProblemError
from noli.cli.scrubbing import files
from noli.replica.scrub import certificate, certifying, parquet
from noli.replica.scrub.asked import PARQUET, Asked, Flaw, Result, Tally, Unusable
from noli.replica.scrub.certificate import Invalid
from noli.replica.scrub.work import Copy, Job
from noli.runtime.clock import now_ms

app = typer.Typer(add_completion=False)

_STALE_REMEDY: Final = (
    "see that the replica runs and that its lag falls (`noli status`), then scrub again"
)


@app.command()
def scrub(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)],
    *,
    controller: Annotated[str, typer.Option(help="Who would contact.")] = "",
    channel: Annotated[str, typer.Option(help="How, e.g. operator_call.")] = "",
    purpose: Annotated[str, typer.Option(help="What for.")] = "marketing",
    brand: Annotated[str | None, typer.Option(help="For which brand.  [default: all]")] = None,
    product: Annotated[str | None, typer.Option(help="A category, for a soft opt-in.")] = None,
    campaign: Annotated[str | None, typer.Option(help="The one that calls would be of.")] = None,
    column: Annotated[str | None, typer.Option(help="The one with the contact.")] = None,
    format_: Annotated[str | None, typer.Option("--format", help="csv, ndjson or parquet.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The list with its verdicts.  [default: beside FILE]")
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(help="The certificate.  [default: OUT and .cert.json]")
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.")] = 0,
    verify: Annotated[
        Path | None, typer.Option(metavar="CERT", help="Check FILE against a certificate instead.")
    ] = None,
    public_key: Annotated[
        str | None, typer.Option(help="With --verify, where the pepper is not known.")
    ] = None,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Ask for every row of FILE (CSV with a header, NDJSON, Parquet): may it be contacted now?

    Every column is kept; `allowed`, `reasons`, `conditions` and `until` are added. A row that
    cannot be read is reported, denied and kept. Exit code 0 when every row was answered from a
    fresh copy; otherwise all that is not known is denied, and there is no certificate.
    """
    if verify is not None:
        _verified(file, verify, public_key, data)
        return
    result = out or files.beside(file)
    if result.resolve() == file.resolve():
        raise ProblemError("--out is FILE itself", "name another: the original is the evidence")
    asked = Asked(controller, channel, purpose, brand, product, column, campaign)
    signed = cert or result.with_name(f"{result.name}.cert.json")
    _scrubbed((file, files.format_of(file, format_), result), asked, _copy(data), jobs, signed)


def _scrubbed(
    job_file: tuple[Path, str, Path], asked: Asked, copy: Copy, jobs: int, signed: Path
) -> None:
    """Scrub, then certify. Raises `ProblemError` where the copy is not fresh."""
    screen = Console(stderr=True)
    started = now_ms()
    with copy.open() as gate:
        replica = certifying.identity(gate)
    done = _run(job_file, asked, copy, jobs or os.cpu_count() or 1, screen)
    _summary(screen, done.tally, job_file[2])
    if replica is None or done.tally.stale:
        raise ProblemError(
            f"the copy is not fresh: {done.tally.stale:,} rows are denied as STALE_REPLICA, and "
            "there is no certificate",
            _STALE_REMEDY,
        )
    made = certifying.certificate(done, asked, (started, now_ms()), copy.lease_s, replica)
    with files.written(signed) as written:
        written.write(certificate.sign(made, copy.pepper) + b"\n")
    screen.print(f"certificate: {escape(str(signed))}")


def _run(
    job_file: tuple[Path, str, Path], asked: Asked, copy: Copy, jobs: int, screen: Console
) -> Result:
    file, form, result = job_file

    def flawed(flaw: Flaw) -> None:
        screen.print(escape(str(flaw)), style="yellow", soft_wrap=True)

    try:
        with _bar(screen) as bar, file.open("rb") as source, files.written(result) as written:
            task = bar.add_task(escape(file.name), total=file.stat().st_size)
            job = Job(
                copy, asked, form, jobs, flawed, lambda count: bar.update(task, advance=count)
            )
            return (
                parquet.run(job, source, written) if form == PARQUET else job.run(source, written)
            )
    except Unusable as error:
        raise ProblemError(f"{file.name}: {error.fact}", error.remedy) from None
    except BrokenProcessPool as error:
        raise ProblemError("a process of the scrub was killed", "is memory short?") from error
    except OSError as error:
        raise ProblemError(f"{result}: {error.strerror}", "name another place: --out") from error


def _copy(data: Path) -> Copy:
    settings = target.settings(data)
    place = copies.place(data, settings)
    return Copy(place, pepper.found(data, settings), settings.lease_seconds)


def _verified(file: Path, signed: Path, public_key: str | None, data: Path) -> None:
    """Say what the certificate says of FILE. Raises `ProblemError` where it proves nothing."""
    try:
        trusted = public_key or certificate.public_key(pepper.found(data, target.settings(data)))
        found = certificate.opened(signed.read_bytes(), trusted)
        with file.open("rb") as opened:
            role = certificate.which(found, opened)
    except (Invalid, OSError) as error:
        raise ProblemError(f"{signed.name}: {error}", "do not rely on this list") from None
    what = "the list that was scrubbed" if role == "input" else "what came of the scrub"
    counts = found.counts
    typer.echo(
        f"valid: {file.name} is {what}\n"
        f"{counts.rows} rows, {counts.allowed} allowed, {counts.denied} denied, of them "
        f"{counts.unparsable} unparsable\n"
        f"{found.controller}, {found.channel}, {found.purpose}, brand {found.brand or '*'}"
        f"{f', campaign {found.campaign}' if found.campaign else ''}\n"
        f"between {found.started} and {found.ended}, knowing every objection before {found.as_of}"
    )


def _bar(screen: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
    )


def _summary(screen: Console, tally: Tally, result: Path) -> None:
    said = [f"{tally.rows:,} rows", f"{tally.allowed:,} allowed"]
    said.append(f"{tally.rows - tally.allowed:,} denied")
    if tally.unparsable:
        said.append(f"{tally.unparsable:,} of them unparsable")
    screen.print(f"{', '.join(said)}: {escape(str(result))}")
