"""Reading a copy that another process writes, and may rebuild, while we read.

LMDB readers take no lock and see one transaction at a time: as_of and rows always belong together.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from weakref import WeakSet

import lmdb

from noli.replica.encoding import Damaged, shape_of
from noli.replica.head import Head, Refused, as_of, check_readable
from noli.replica.ratios import Known, Ratios
from noli.replica.shape import Shape
from noli.replica.store import Store, current
from noli.runtime.clock import steady

#: How long a rebuilt copy may stay unnoticed, in seconds: far below the lease, far above a check.
_LOOK_EVERY_S: Final = 0.25

#: Shapes kept compiled; beyond, they are read again. A deployment has a few hundred.
_SHAPES: Final = 100_000


class _Open(NamedTuple):
    """An open generation and the file it was opened from."""

    store: Store
    identity: tuple[str, int]


#: A contact's entry: the shape it shares, and the stored value with its own times.
Found = tuple[Shape, bytes]

#: One look at the copy: as_of in milliseconds since the epoch, None before the first beacon, and an
#: item per token: None for an unknown contact, `Damaged` for a broken entry.
Fetched = tuple[int | None, list[Found | Damaged | None]]


class Reader:
    """Follows `copy/CURRENT`. Safe for threads and forks."""

    def __init__(self, copy: Path, pepper_version: int, pepper_check: str) -> None:
        self._copy = copy
        self._pepper = (pepper_version, pepper_check)
        self._lock = threading.Lock()
        self._open: _Open | None = None
        self._refusal = Refused("not looked at yet")
        self._look_at = 0.0
        self._closed = False
        self._shapes: dict[int, Shape] = {}
        self._seen: tuple[int, int | None] = (-1, None)
        self._ratios = Known()
        #: The transaction of which `_told` is.
        self._told_at = -1
        self._told = Ratios(None, frozenset())
        _readers().add(self)

    def fetch(self, tokens: Sequence[bytes]) -> Fetched:
        """Entries of tokens, all as of one moment. Raises `Refused` where no copy can be used."""
        with self._lock:
            try:
                return self._fetch(self._store(), tokens)
            except lmdb.MapResizedError:
                # Adopt the writer's map size; no transaction of ours is open, we hold the lock.
                self._store().env.set_mapsize(0)
            except (lmdb.Error, Refused) as error:
                raise self._shut(error) from error
            try:
                return self._fetch(self._store(), tokens)
            except (lmdb.Error, Refused) as error:
                raise self._shut(error) from error

    def generation(self) -> tuple[str, Head]:
        """The copy's name, what it is of and how far it is. Raises `Refused`."""
        with self._lock:
            store = self._store()
            try:
                head = store.head()
            except (lmdb.Error, Refused) as error:
                raise self._shut(error) from error
            check_readable(head, *self._pepper)
            return store.name, head

    def ratios(self) -> Ratios:
        """What the copy knew of campaigns at the last fetch, or knows now.

        Raises `Damaged` where it knows nothing, `Refused`.
        """
        with self._lock:
            store = self._store()
            if self._told_at == self._seen[0] >= 0:
                return self._told
            at = self._seen[0]
            try:
                try:
                    self._told = self._ratios.read(store)
                except lmdb.MapResizedError:
                    store.env.set_mapsize(0)  # as in `fetch`
                    self._told = self._ratios.read(store)
            except lmdb.Error as error:
                raise self._shut(error) from error
            self._told_at = at
            return self._told

    def contacts(self) -> int:
        """How many contacts the copy holds. Raises `Refused`."""
        with self._lock:
            store = self._store()
            try:
                return store.entries()
            except lmdb.Error as error:
                raise self._shut(error) from error

    def close(self) -> None:
        """Let go of the copy; a later fetch is refused."""
        with self._lock:
            self._shut(Refused("closed"))
            self._closed = True

    def before_fork(self) -> None:
        """Close, and let nobody open, until `after_fork`."""
        self._lock.acquire()
        self._shut(Refused("forking"))
        self._look_at = 0.0

    def after_fork(self) -> None:
        """Parent and child: each opens its own environment at its next fetch."""
        self._lock.release()

    def _fetch(self, store: Store, tokens: Sequence[bytes]) -> Fetched:
        with store.env.begin() as txn:
            number = txn.id()
            if self._seen[0] != number:
                head = store.head_in(txn)
                check_readable(head, *self._pepper)
                self._seen = (number, as_of(head.positions))
            get, contacts = txn.get, store.contacts
            items = [self._item(store, txn, token, get(token, None, contacts)) for token in tokens]
        return self._seen[1], items

    def _item(
        self, store: Store, txn: lmdb.Transaction[bytes], token: bytes, value: bytes | None
    ) -> Found | Damaged | None:
        if value is None:
            return None
        try:
            number = shape_of(token, value)
            shape = self._shapes.get(number)
            if shape is None:
                shape = Shape(store.shape(number))
                if len(self._shapes) >= _SHAPES:
                    self._shapes.clear()
                self._shapes[number] = shape
            if shape.allows:
                store.check_newest(txn, token, value)
            return shape, value
        except Damaged as damage:
            return damage

    def _store(self) -> Store:
        """The open generation, looked up again when it is time. Raises `Refused`."""
        if not self._closed and steady() >= self._look_at:
            self._look_at = steady() + _LOOK_EVERY_S
            self._look()
        if self._open is None:
            raise self._refusal
        return self._open.store

    def _look(self) -> None:
        generation = current(self._copy)
        if generation is None:
            self._shut(Refused("there is no copy"))
            return
        try:
            identity = (generation.name, (generation / "data.mdb").stat().st_ino)
            if self._open is not None and self._open.identity == identity:
                return
            self._shut(Refused("the copy was rebuilt"))
            store = Store(generation)
        except OSError as error:
            self._shut(Refused(f"no copy where CURRENT points: {type(error).__name__}"))
        except (Refused, lmdb.Error) as error:
            self._shut(error)
        else:
            self._open = _Open(store, identity)

    def _shut(self, error: Exception) -> Refused:
        """Close what is open; what every fetch is told until a copy can be opened."""
        refusal = error if isinstance(error, Refused) else Refused(type(error).__name__)
        self._refusal = refusal
        if self._open is not None:
            self._open.store.close()
            self._open = None
        self._shapes.clear()
        self._seen = (-1, None)
        self._ratios.forget()
        self._told_at = -1
        return refusal


@cache
def _readers() -> WeakSet[Reader]:
    """Every reader of this process, closed across forks.

    An LMDB environment must not cross one: used in the child it corrupts, closed there it frees
    the parent's slot of the reader table.
    """
    readers: WeakSet[Reader] = WeakSet()
    held: list[Reader] = []

    def before() -> None:
        held.extend(readers)
        for reader in held:
            reader.before_fork()

    def after() -> None:
        for reader in held:
            reader.after_fork()
        held.clear()

    os.register_at_fork(before=before, after_in_parent=after, after_in_child=after)
    return readers
