"""What is written of a contact: its state for ourselves, its verdicts for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from noli import wire
from noli.domain.verdict import verdicts
from noli.runtime.clock import now_ms, now_us
from schemas.template import long_bytes
from streams.suppress.sources import labels_of

if TYPE_CHECKING:
    from noli.domain.policy import Policy
    from noli.domain.state import State
    from noli.domain.verdict import Row
    from schemas.codec import Codec

#: Encoded rows kept; real states have a few hundred different ones, brands apart.
_ROWS_KEPT: Final = 4096


class Stamp(NamedTuple):
    """Who decides and when: the owner's epoch, the least version it may give, ms.

    `longs`: version, decided and epoch as Avro longs.
    """

    epoch: int
    version: int
    decided: int
    longs: tuple[bytes, bytes, bytes]


def stamped(epoch: int, version: int, decided: int) -> Stamp:
    """A stamp of these."""
    longs = (long_bytes(version), long_bytes(decided), long_bytes(epoch))
    return Stamp(epoch, version, decided, longs)


def stamp(epoch: int) -> Stamp:
    """The stamp of this moment."""
    return stamped(epoch, now_us(), now_ms())


class Written(NamedTuple):
    """The two records; the moments (ms) named in the rows, and the first at which they change."""

    state: bytes
    decision: bytes
    moments: frozenset[int]
    next_change: int | None


class Writer:
    """Encodes. Rows without a moment of their own recur: their bytes are kept."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._rows: dict[Row, bytes] = {}

    def written(
        self, state: State, policy: Policy, at: int, accepted: int, stamp: Stamp
    ) -> Written:
        """Decide at `at` (ms) and encode; `accepted` is that of the fact behind it."""
        rows, next_change = verdicts(state, policy, at)
        epoch, version, decided, _ = stamp
        labels = b"".join(sorted(labels_of(state)))
        stored = self._codec.encode(
            "noli.ContactState", wire.state_to_record(state, epoch, version, next_change, labels)
        )
        head = wire.decision_head(
            state,
            next_change,
            epoch=epoch,
            version=version,
            accepted=accepted,
            decided=decided,
        )
        return Written(
            stored,
            self._codec.encode_items("noli.Decision", head, [self._row(row) for row in rows]),
            frozenset([row.until for row in rows if row.until is not None]),
            next_change,
        )

    def _row(self, row: Row) -> bytes:
        known = self._rows.get(row)
        if known is None:
            known = self._codec.encode_item("noli.Decision", wire.decision_row(row))
            if row.until is None and len(self._rows) < _ROWS_KEPT:
                self._rows[row] = known
        return known
