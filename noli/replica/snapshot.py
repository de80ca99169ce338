"""A copy that travels: exported whole, verified, imported on another host, which then only tails.

A snapshot is a directory of two files. `data.mdb` is one transaction's view of the copy, so data
and frontier belong together whatever the writer does meanwhile. `manifest.json` says what it is of
and how far it is, and the data's SHA-256: a torn or altered one is refused, and so is one whose
head inside the data says otherwise. It holds pseudonyms and who may be called: guard it as the copy
itself.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from noli.domain import times
from noli.replica import store as copies
from noli.replica.head import Head, Position, Refused, as_of, check_resumable
from noli.replica.lock import only_writer
from noli.replica.store import Store, sync
from noli.runtime.clock import now_ms
from noli.runtime.failpoints import Failpoint, failpoint

MANIFEST: Final = "manifest.json"
DATA: Final = "data.mdb"

TYPE: Final = "noli.replica_snapshot.v1"

_FILE_MODE: Final = 0o600


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot is of; `made` and `as_of` are RFC 3339, `bytes` and `sha256` the data's."""

    topic_id: str
    pepper_version: int
    pepper_check: str
    positions: tuple[Position, ...]
    as_of: str | None
    format: int
    contacts: int
    shapes: int
    bytes: int
    sha256: str
    made: str
    type: str = TYPE

    def head(self) -> Head:
        """The head that the data must have."""
        return Head(
            self.format, self.topic_id, self.pepper_version, self.pepper_check, self.positions
        )


def export(copy: Path, target: Path) -> Manifest:
    """Write a snapshot of the copy, which may be in use, to a directory that is not there yet.

    It appears under its name once it is whole. Raises `Refused`, FileExistsError, OSError, LMDB's
    errors.
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    generation = copies.current(copy)
    if generation is None:
        raise Refused("there is no copy to export")
    with _unfinished(target) as fresh:
        with closing(Store(generation)) as store:
            store.env.copy(str(fresh), compact=True)
        (fresh / DATA).chmod(_FILE_MODE)
        manifest = _described(fresh)
        failpoint(Failpoint.SNAPSHOT_MID_EXPORT)
        (fresh / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        (fresh / MANIFEST).chmod(_FILE_MODE)
        for name in (DATA, MANIFEST):
            sync(fresh / name)
        fresh.replace(target)
    sync(target.parent)
    return manifest


def verify(snapshot: Path) -> Manifest:
    """The manifest, if the data is what it says. Raises `Refused` with the reason."""
    manifest = _manifest(snapshot)
    _check_data(snapshot, manifest)
    found = _described(snapshot)
    if (found.head(), found.contacts, found.shapes) != (
        manifest.head(),
        manifest.contacts,
        manifest.shapes,
    ):
        raise Refused("altered: its manifest says what its data does not")
    return manifest


def bring(snapshot: Path, copy: Path, blank: Head, ends: tuple[int, ...]) -> Manifest:
    """Make a snapshot the copy; the one that stood there stays until the new one is whole.

    `blank` and `ends` are of the log as it is now (`check_resumable`). Raises `Refused` for a torn
    or foreign snapshot, one of another pepper, or one older than what the log still holds;
    `SecondWriter` while the copy's writer runs.
    """
    manifest = verify(snapshot)
    check_resumable(manifest.head(), blank, ends)
    with only_writer(copy):
        copies.sweep(copy)
        generation = copies.next_generation(copy)
        generation.mkdir(mode=0o700)
        try:
            shutil.copyfile(snapshot / DATA, generation / DATA)
            (generation / DATA).chmod(_FILE_MODE)
            sync(generation / DATA)
            sync(generation)
            _check_data(generation, manifest)
            failpoint(Failpoint.SNAPSHOT_MID_IMPORT)
        except BaseException:
            shutil.rmtree(generation, ignore_errors=True)
            raise
        copies.publish(copy, generation)
    return manifest


def _check_data(directory: Path, manifest: Manifest) -> None:
    if _digest(directory / DATA) != (manifest.bytes, manifest.sha256):
        raise Refused("torn or altered: its data is not what the manifest says")


def _manifest(snapshot: Path) -> Manifest:
    try:
        found = msgspec.json.decode((snapshot / MANIFEST).read_bytes(), type=Manifest)
    except OSError as error:
        raise Refused(f"no snapshot: {MANIFEST}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused("its manifest cannot be read") from error
    if found.type != TYPE:
        raise Refused(f"of another type than {TYPE}")
    return found


def _described(directory: Path) -> Manifest:
    """The manifest that the data in a directory deserves. Raises `Refused`."""
    with closing(Store(directory, lock=False)) as store:
        head, contacts, shapes = store.head(), store.entries(), len(store.all_shapes())
    size, digest = _digest(directory / DATA)
    moment = as_of(head.positions)
    return Manifest(
        topic_id=head.topic_id,
        pepper_version=head.pepper_version,
        pepper_check=head.pepper_check,
        positions=head.positions,
        as_of=None if moment is None else times.text(moment),
        format=head.format,
        contacts=contacts,
        shapes=shapes,
        bytes=size,
        sha256=digest,
        made=times.text(now_ms()),
    )


def _digest(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file. Raises `Refused` where it is not there."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return file.tell(), digest.hexdigest()
    except OSError as error:
        raise Refused(f"{path.name}: {error.strerror}") from error


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """A directory beside `target`, gone at the end unless it was renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
