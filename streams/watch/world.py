"""What every watcher must know beside its own part of the receipts, followed from whole topics."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from noli.runtime.beside import Beside
from noli.wire import alignment, apps
from noli.wire.alignment import Aligned
from schemas.codec import Codec, UnreadableError
from schemas.names import ALIGNMENT, APPS, BEACONS, DECISIONS, PARTIES, QUARANTINE, RECEIPTS
from streams.watch.alignment import Quarantined, World
from streams.watch.parties import Parties

if TYPE_CHECKING:
    from noli.runtime.part import Record
    from noli.runtime.settings import Settings

_TOPICS: Final = (APPS, QUARANTINE, BEACONS, ALIGNMENT)
#: What must have been read to its end before anything is published: each of these may hold an
#: application, or all of them, back. A beacon that is read late only lets them wait.
_HOLDING: Final = (APPS, QUARANTINE, ALIGNMENT)
#: Records of an application kept undecoded: seconds of them.
_LAST: Final = 8
#: For the brokers to tell the ends, and for the reader to get there, in seconds.
_PATIENCE_S: Final = 5.0
#: And for all of it at the start.
_START_S: Final = 300.0


class Surroundings:
    """Follows the topics; `world` and `aligned` are current once a `known…` has returned."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._codec = codec
        self._apps: Mapping[str, apps.App] = {}
        #: Place in noli.quarantine → when the log took what stands there (ms).
        self._quarantined: dict[tuple[int, int], int] = {}
        self._aligned: dict[str, Aligned] = {}
        #: Records of noli.alignment not decoded yet, by key; of many the last.
        self._unread: dict[bytes | None, deque[bytes | None]] = {}
        self._beside = Beside(settings, _TOPICS, self._take)
        #: Partitions by topic, of the whole cluster.
        self.partitions: Mapping[str, int] = self._beside.partitions
        self._parties = Parties(self.partitions[PARTIES])

    @property
    def world(self) -> World:
        """As far as it was read."""
        oldest = min(self._quarantined.values(), default=None)
        held = Quarantined(len(self._quarantined), oldest)
        return World(self.partitions[DECISIONS], self._apps, held, self._parties)

    @property
    def aligned(self) -> Mapping[str, Aligned]:
        """As last published, by application; that of all together under `OVERALL`."""
        unread, self._unread = self._unread, {}
        for value in (each for values in unread.values() for each in values):
            try:
                name, datum = self._codec.decode(value)
            except UnreadableError:
                continue  # of a newer build, which is read by a watcher of that build
            found = alignment.read(datum) if name == "noli.Alignment" else None
            if found is not None and alignment.newer(self._aligned.get(found.app), found):
                self._aligned[found.app] = found
        return self._aligned

    async def ends(self) -> Mapping[int, int]:
        """Where the receipts end, by partition. Raises `Behind`."""
        return (await self._beside.ends([RECEIPTS]))[RECEIPTS]

    async def known(self) -> None:
        """Return once whatever may hold an application back now was read. Raises `Behind`."""
        await self._beside.caught_up(_HOLDING, _PATIENCE_S)

    async def known_whole(self) -> None:
        """The same, with all that was ever published, and the beacons. Raises `Behind`."""
        await self._beside.caught_up(_TOPICS, _START_S)

    async def aclose(self) -> None:
        """Follow no longer."""
        await self._beside.aclose()

    def _take(self, record: Record) -> None:
        if record.topic == ALIGNMENT:
            # A start reads thousands of each application. The last few say all there is: a stopped
            # watcher's old word is among them, with the newer one before it, or is of the past.
            self._unread.setdefault(record.key, deque(maxlen=_LAST)).append(record.value)
            return
        try:
            name, datum = self._codec.decode(record.value)
        except UnreadableError:
            if record.topic == QUARANTINE:  # whatever it is, nobody has dealt with it
                self._quarantined[record.partition, record.offset] = record.at
            return  # elsewhere: of a newer build; it can only let an application wait
        match record.topic:
            case topic if topic == QUARANTINE:
                self._quarantine(name, datum, record)
            case topic if topic == APPS:
                self._apps = apps.folded(self._apps, name, datum)
            case topic if topic == BEACONS and name == "noli.PartyBeacon":
                self._parties.add(datum["partition"], datum["at"], datum["as_of"])

    def _quarantine(self, name: str, datum: Mapping[str, Any], record: Record) -> None:
        if name == "noli.QuarantineResolved":
            self._quarantined.pop((datum["partition"], datum["offset"]), None)
        else:
            at = datum["at"] if name == "noli.Quarantine" else record.at
            self._quarantined[record.partition, record.offset] = min(at, record.at)
