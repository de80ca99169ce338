"""`noli.alignment` as it stands, for commands and whoever asks; and how fast it moves."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException

from noli.runtime import broker
from noli.runtime.clock import steady
from noli.runtime.scan import LogUnavailable
from noli.runtime.tail import Reading
from noli.wire import alignment
from schemas.codec import UnreadableError
from schemas.names import ALIGNMENT

if TYPE_CHECKING:
    from noli.runtime.settings import Settings
    from noli.wire.alignment import Aligned
    from schemas.codec import Codec

#: How long the log may take to be read to its end, in seconds.
_PATIENCE_S: Final = 20.0
#: How long one look for records waits, in seconds.
_WAIT_S: Final = 0.1
#: The pace is that of the last half minute, in ms: longer than one attempt, shorter than patience.
_PACE_MS: Final = 30_000
_MS_PER_S: Final = 1_000
#: Records of one application that may be of that time: one a second, and some.
_LAST: Final = 40


class Board:
    """As published last, by application; all together under `*`. For one thread."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        """Raises `LogUnavailable`."""
        self._codec = codec
        self._admin = broker.admin(settings)
        self._at: dict[int, int] = {}
        self._found: dict[str, Aligned] = {}
        #: By application: when (ms), and the sum of its frontiers then.
        self._passed: dict[str, deque[tuple[int, int]]] = {}
        try:
            self._cluster = broker.look(self._admin)
            if ALIGNMENT not in self._cluster.topics:
                raise LogUnavailable(f"no topic {ALIGNMENT} at {settings.kafka}")
            self._reading = Reading(settings, ALIGNMENT)
        except (broker.BrokerUnavailable, KafkaException) as error:
            raise LogUnavailable(f"no Kafka at {settings.kafka}: {error}") from error

    def look(self) -> dict[str, Aligned]:
        """Everything that was published before the call. Raises `LogUnavailable`."""
        end = steady() + _PATIENCE_S
        unread: dict[bytes | None, deque[bytes | None]] = {}
        try:
            ends = broker.ends(self._admin, self._cluster, [ALIGNMENT])[ALIGNMENT]
            while any(self._at.get(number, 0) < last for number, last in ends.items()):
                if steady() > end:
                    raise LogUnavailable(f"{ALIGNMENT} was not read in {_PATIENCE_S:.0f} s")
                for record in self._reading.take(_WAIT_S):
                    # The first look reads thousands of each: of these the last half minute counts.
                    unread.setdefault(record.key, deque(maxlen=_LAST)).append(record.value)
                    self._at[record.partition] = record.offset + 1
        except (broker.BrokerUnavailable, KafkaException) as error:
            raise LogUnavailable(f"the log stopped: {error}") from error
        for value in (each for values in unread.values() for each in values):
            self._take(value)
        return self._found

    def pace(self, app: str) -> float | None:
        """Records a second by which its frontier moved lately; None: too little is known."""
        passed = self._passed.get(app)
        if passed is None or passed[-1][0] == passed[0][0]:
            return None
        (first, before), (last, after) = passed[0], passed[-1]
        return max(0, after - before) * _MS_PER_S / (last - first)

    def close(self) -> None:
        """Leave the brokers."""
        self._reading.close()

    def _take(self, value: bytes | None) -> None:
        try:
            name, datum = self._codec.decode(value)
        except UnreadableError:
            return  # a newer build's: as of when is not known any more than before
        one = alignment.read(datum) if name == "noli.Alignment" else None
        if one is None or not alignment.newer(self._found.get(one.app), one):
            return
        self._found[one.app] = one
        passed = self._passed.setdefault(one.app, deque())
        passed.append((one.at, sum(point.frontier for point in one.points)))
        while passed[0][0] < one.at - _PACE_MS:
            passed.popleft()


def look(settings: Settings, codec: Codec) -> dict[str, Aligned]:
    """The same, once. Raises `LogUnavailable`."""
    board = Board(settings, codec)
    try:
        return dict(board.look())
    finally:
        board.close()
