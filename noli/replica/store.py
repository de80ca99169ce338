"""The copy on disk: LMDB, one writer, any number of readers that take no lock.

A copy is a directory. Each *generation* in it is one LMDB environment, and the file `CURRENT` names
the generation that readers open: a rebuild fills a new one beside it and then renames the pointer,
so a reader never sees half a copy. Data and frontier change in one transaction, so a killed writer
resumes exactly where its data stands.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeVar

import lmdb
import msgspec

from noli.replica.encoding import Damaged, checksum_of, seal, unseal
from noli.replica.head import Head, Refused
from noli.runtime.clock import now_us

CURRENT: Final = "CURRENT"
_GENERATION: Final = "g-"

_CONTACTS: Final = b"contacts"
_SHAPES: Final = b"shapes"
_NEWEST: Final = b"newest"
_META: Final = b"meta"
_HEAD: Final = b"head"

#: Address space to begin with, doubled when full; the file itself is only as long as its data.
FIRST_MAP_BYTES: Final = 1 << 30

#: Slots of LMDB's reader table: dialers run many processes, each with a slot per thread.
MAX_READERS: Final = 1024

#: The copy holds pseudonyms and who may be called: its owner's business only.
_FILE_MODE: Final = 0o600
_DIRECTORY_MODE: Final = 0o700

_SHORTAGES: Final = (
    lmdb.MapFullError,
    lmdb.ReadersFullError,
    lmdb.TlsFullError,
    lmdb.TxnFullError,
    lmdb.DbsFullError,
    lmdb.MapResizedError,
)

#: What a disk, a quota or a limit of a file's size says when there is no more; LMDB calls a write
#: that ended half way EIO.
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

_T = TypeVar("_T")


class NoRoom(Exception):
    """The disk takes no more of the copy; what stands on it is whole."""


class Store:
    """One generation, open for reading or writing. Not to be carried over a fork.

    Opening raises `Refused` for a copy that cannot be used, `lmdb.Error` where the machine failed.
    """

    def __init__(
        self, directory: Path, *, write: bool = False, durable: bool = True, lock: bool = True
    ) -> None:
        """`lock` False: nobody else has it open, and no lock file is made beside it."""
        self._directory = directory
        self.name = directory.name
        if write:
            directory.mkdir(parents=True, exist_ok=True, mode=_DIRECTORY_MODE)
        try:
            self.env = lmdb.open(
                str(directory),
                map_size=FIRST_MAP_BYTES,
                readonly=not write,
                create=write,
                mode=_FILE_MODE,
                max_dbs=4,
                max_readers=MAX_READERS,
                max_spare_txns=16,
                # A power cut may lose the last transactions, never tear one: their frontier goes
                # with them, and they are read again.
                metasync=False,
                sync=durable,
                lock=lock,
                readahead=False,
            )
        except lmdb.Error as error:
            raise _refused_or(error) from error
        try:
            self._check_length()
            self.contacts = self.env.open_db(_CONTACTS, create=write)
            self.shapes = self.env.open_db(_SHAPES, create=write)
            #: Of every contact whose entry was replaced: the checksum of the one that stands. LMDB
            #: leaves old pages on the disk; were one taken for the page that stands (a damaged
            #: pointer, a write that the disk lost), an allowance on it would be whole and wrong.
            self.newest = self.env.open_db(_NEWEST, create=write)
            self.meta = self.env.open_db(_META, create=write)
        except lmdb.Error as error:
            self.env.close()
            raise _refused_or(error) from error
        except Refused:
            self.env.close()
            raise

    def head(self) -> Head:
        """The head. Raises `Refused` where there is none (an unfinished build) or a damaged one."""
        with self.env.begin() as txn:
            return self.head_in(txn)

    def head_in(self, txn: lmdb.Transaction[bytes]) -> Head:
        """The head as `txn` sees it. Raises `Refused`."""
        sealed = txn.get(_HEAD, None, self.meta)
        if sealed is None:
            raise Refused("no head: its build was not finished")
        try:
            return msgspec.json.decode(unseal(sealed), type=Head)
        except (Damaged, msgspec.MsgspecError) as error:
            raise Refused("a damaged head") from error

    def shape(self, number: int) -> bytes:
        """A stored shape. Raises `Damaged` when it is missing or not what was written."""
        with self.env.begin() as txn:
            sealed = txn.get(number.to_bytes(4, "big"), None, self.shapes)
        if sealed is None:
            raise Damaged("an entry names a shape that is not there")
        return unseal(sealed)

    def all_shapes(self) -> list[bytes]:
        """Every shape, by number. Raises `Refused`."""
        found = []
        with self.env.begin() as txn:
            for number, (key, sealed) in enumerate(txn.cursor(self.shapes)):
                if int.from_bytes(key, "big") != number:
                    raise Refused(f"shape {number} is missing")
                try:
                    found.append(unseal(sealed))
                except Damaged as error:
                    raise Refused(f"shape {number}: {error}") from error
        return found

    def entries(self) -> int:
        """How many contacts the copy holds."""
        with self.env.begin() as txn:
            return txn.stat(self.contacts)["entries"]

    def size(self) -> int:
        """Bytes of the map in use, free pages among them."""
        return (self.env.info()["last_pgno"] + 1) * self.env.stat()["psize"]

    def write(self, change: Callable[[lmdb.Transaction[bytes]], _T]) -> _T:
        """Run `change` in one transaction; again, whole, when the map had to grow first."""
        while True:
            try:
                with self.env.begin(write=True) as txn:
                    return change(txn)
            except lmdb.MapFullError:
                self.env.set_mapsize(2 * self.env.info()["map_size"])

    def append(self, txn: lmdb.Transaction[bytes], entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Add entries that sort after every entry there is: fills whole pages."""
        txn.cursor(self.contacts).putmulti(entries, append=True)

    def replace(self, txn: lmdb.Transaction[bytes], token: bytes, value: bytes) -> None:
        """Put an entry over the one that stands."""
        txn.put(token, value, db=self.contacts)
        txn.put(token, checksum_of(value), db=self.newest)

    def check_newest(self, txn: lmdb.Transaction[bytes], token: bytes, value: bytes) -> None:
        """Raise `Damaged` for an entry that was replaced, and should not be there to be found."""
        newest = txn.get(token, None, self.newest)
        if newest is not None and newest != checksum_of(value):
            raise Damaged("an entry that was replaced")

    def put_head(self, txn: lmdb.Transaction[bytes], head: Head) -> None:
        """Set the head."""
        txn.put(_HEAD, seal(msgspec.json.encode(head)), db=self.meta)

    def put_shapes(self, txn: lmdb.Transaction[bytes], first: int, shapes: Iterable[bytes]) -> None:
        """Add shapes, numbered from `first`."""
        for number, shape in enumerate(shapes, first):
            txn.put(number.to_bytes(4, "big"), seal(shape), db=self.shapes)

    def flush(self) -> None:
        """Everything written so far is on the disk when this returns."""
        self.env.sync(force=True)

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def _check_length(self) -> None:
        """A map longer than its file is a bus error at the first touch: refuse it instead."""
        info = self.env.info()
        if info["last_pgno"] == 0:
            return
        wanted = (info["last_pgno"] + 1) * self.env.stat()["psize"]
        if (self._directory / "data.mdb").stat().st_size < wanted:
            raise Refused("the file is shorter than its pages")


def current(copy: Path) -> Path | None:
    """The generation that readers open, or None where there is none."""
    try:
        name = (copy / CURRENT).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    # Never outside the copy, whatever stands in the file.
    return copy / name if name.startswith(_GENERATION) and "/" not in name else None


def publish(copy: Path, generation: Path) -> None:
    """Point readers at `generation`, durably, then remove the others."""
    fresh = copy / f"{CURRENT}.new"
    with fresh.open("w", encoding="ascii") as file:
        file.write(f"{generation.name}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(copy / CURRENT)
    sync(copy)
    sweep(copy)


def withdraw(copy: Path) -> None:
    """Take the current generation away from readers: they deny until another is published."""
    (copy / CURRENT).unlink(missing_ok=True)
    sync(copy)


def sweep(copy: Path) -> None:
    """Remove every generation but the current one; readers that hold one keep their pages."""
    keep = current(copy)
    for path in copy.glob(f"{_GENERATION}*"):
        if path != keep:
            shutil.rmtree(path)


def next_generation(copy: Path) -> Path:
    """A directory whose name no generation of this copy ever had: readers tell them apart by it."""
    return copy / f"{_GENERATION}{now_us()}"


def sync(path: Path) -> None:
    """Put on the disk what a file holds, or which names a directory has."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_broken(error: lmdb.Error) -> bool:
    """Whether an error says that the copy is unusable, as against the machine being short of it.

    LMDB's own codes are negative; an errno (disk full, no memory, no permission) is positive, and
    throwing a good copy away would not mend that.
    """
    code: int = getattr(error, "code", 0)  # set by LMDB itself, not by its Python constructor
    return code < 0 and not isinstance(error, _SHORTAGES)


def is_full(error: lmdb.Error | OSError) -> bool:
    """Whether an error says that the disk takes no more."""
    return getattr(error, "code", getattr(error, "errno", 0)) in _NO_ROOM


def _refused_or(error: lmdb.Error) -> Exception:
    """The error as a refusal, where the copy is to blame; itself otherwise."""
    missing = getattr(error, "code", 0) == errno.ENOENT
    # An LMDB error's text holds the path; its name says what the operator needs.
    reason = "no LMDB environment" if missing else type(error).__name__
    return Refused(reason) if missing or is_broken(error) else error
