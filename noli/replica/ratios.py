"""SILENT-RATIO in the copy: which campaigns are over their ratio, and how fresh that is.

Two sealed values beside the head of the copy. `freshness` is written with every beacon of the
watcher; `over`, one short name per campaign that is over its ratio, when it changes. A copy in
which they are missing or damaged answers for no campaign: whoever names one is denied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

import lmdb
import msgspec

from noli.replica.encoding import Damaged, seal, unseal
from noli.replica.store import Store
from noli.replica.take import Record
from noli.wire.campaigns import CAMPAIGN, CAMPAIGN_BEACON, campaign_key
from schemas.codec import Codec, UnreadableError
from schemas.names import BEACON_KEY

_FRESHNESS: Final = b"campaigns"
_OVER: Final = b"campaigns.over"

#: Bytes of a campaign's short name.
_NAME_BYTES: Final = 16

#: Short names remembered; a dialer asks for one campaign after the other.
_NAMES_KEPT: Final = 1_024


class _Freshness(msgspec.Struct, frozen=True, array_like=True):
    """`as_of`, ms, None while a partition has had no beacon; which `over` belongs to it."""

    as_of: int | None
    edition: int


class Ratios(NamedTuple):
    """What the copy knows of campaigns. `as_of`: every call taken before it is counted (ms)."""

    as_of: int | None
    over: frozenset[bytes]


@lru_cache(_NAMES_KEPT)
def name_of(controller: str, campaign: str) -> bytes:
    """A campaign's short name."""
    return _short(campaign_key(controller, campaign))


def _short(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=_NAME_BYTES).digest()


class Known:
    """What a reader knows, read again only where it changed."""

    def __init__(self) -> None:
        self._sealed: bytes | None = None
        self._edition: int | None = None
        self._ratios = Ratios(None, frozenset())

    def read(self, store: Store) -> Ratios:
        """As the copy has it now. Raises `Damaged`, also where it has none; LMDB's errors."""
        with store.env.begin() as txn:
            sealed = txn.get(_FRESHNESS, None, store.meta)
            if sealed is not None and sealed == self._sealed:
                return self._ratios
            if sealed is None:
                raise Damaged("the copy knows no campaign: does streams.watch run?")
            found = _decoded(sealed, _Freshness)
            over = self._ratios.over
            if found.edition != self._edition:
                over = _names(txn.get(_OVER, b"", store.meta), found.edition)
        self._sealed, self._edition = bytes(sealed), found.edition
        self._ratios = Ratios(found.as_of, over)
        return self._ratios

    def forget(self) -> None:
        """Another copy is read from now on."""
        self._sealed = self._edition = None
        self._ratios = Ratios(None, frozenset())


def _decoded(sealed: bytes, kind: type[_Freshness]) -> _Freshness:
    try:
        return msgspec.msgpack.decode(unseal(sealed), type=kind)
    except msgspec.MsgspecError as error:
        raise Damaged("freshness of campaigns") from error


def _names(sealed: bytes, edition: int) -> frozenset[bytes]:
    try:
        told, names = msgspec.msgpack.decode(unseal(sealed), type=tuple[int, list[bytes]])
    except msgspec.MsgspecError as error:
        raise Damaged("campaigns over their ratio") from error
    if told != edition:
        raise Damaged("campaigns over their ratio, of another edition")
    return frozenset(names)


class Board:
    """What the writer knows of `noli.campaigns`, from its beginning; put into a copy when whole."""

    def __init__(self, codec: Codec, partitions: int) -> None:
        self._codec = codec
        #: Calls counted, and whether over, of each campaign by short name.
        self._campaigns: dict[bytes, tuple[int, bool]] = {}
        self._as_of: dict[int, int] = {}
        self._partitions = partitions
        self._unread = set(range(partitions))
        #: Records nobody could read; each may have been a campaign over its ratio.
        self.unreadable = 0

    @property
    def whole(self) -> bool:
        """Whether every partition was read to its end once."""
        return not self._unread

    def reached(self, partition: int) -> None:
        """The partition was read to its end."""
        self._unread.discard(partition)

    def take(self, records: Iterable[Record]) -> None:
        """Records in the order of each partition."""
        for record in records:
            key, value = record.key(), record.value()
            try:
                name, datum = self._codec.decode(value)
            except UnreadableError:
                self.unreadable += 1
                if key and key != BEACON_KEY:
                    self._doubt(_short(key))
                continue
            if name == CAMPAIGN_BEACON:
                self._as_of[record.partition() or 0] = datum["as_of"]
            elif name == CAMPAIGN and key:
                self._campaign(_short(key), datum)

    def ratios(self) -> Ratios:
        """All of it, as of the partition that is furthest behind."""
        known = len(self._as_of) == self._partitions
        return Ratios(
            min(self._as_of.values()) if known else None,
            frozenset(name for name, (_, over) in self._campaigns.items() if over),
        )

    def _campaign(self, name: bytes, datum: Mapping[str, int | bool]) -> None:
        answered = int(datum["attended"]) + int(datum["silent"])
        known = self._campaigns.get(name)
        if known is None or answered >= known[0]:
            self._campaigns[name] = (answered, bool(datum["over"]))

    def _doubt(self, name: bytes) -> None:
        """Of a campaign whose record cannot be read, the worst."""
        self._campaigns[name] = (self._campaigns.get(name, (0, True))[0], True)


def put(store: Store, ratios: Ratios, before: Ratios | None, edition: int) -> int:
    """Write what changed since `before`; the edition that stands then."""
    if before is None or ratios.over != before.over:
        edition += 1

    def change(txn: lmdb.Transaction[bytes]) -> None:
        if before is None or ratios.over != before.over:
            names = msgspec.msgpack.encode((edition, sorted(ratios.over)))
            txn.put(_OVER, seal(names), db=store.meta)
        freshness = msgspec.msgpack.encode(_Freshness(ratios.as_of, edition))
        txn.put(_FRESHNESS, seal(freshness), db=store.meta)

    store.write(change)
    return edition
