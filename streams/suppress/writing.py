"""What is written of a contact: its state for ourselves, its verdicts for everybody."""

from __future__ import annotations

from dataclasses import replace
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
    from noli.runtime.part import Part
    from schemas.codec import Codec

#: Encoded rows kept; real states have a few hundred different ones, brands apart.
_ROWS_KEPT: Final = 4096
#: Stands for a row's moment; behind it are only reasons, which are never encoded like it.
_MARK: Final = 1_999_999_999_999
_MARK_BYTES: Final = long_bytes(_MARK)


class Stamp(NamedTuple):
    """Who decides and when: the owner's epoch, the least version it may give, ms."""

    epoch: int
    version: int
    decided: int


def stamp(part: Part) -> Stamp:
    """The stamp of this moment, above whatever a former owner decided without leaving a state."""
    return Stamp(part.epoch, max(now_us(), part.floor + 1), now_ms())


def bare(state: State) -> State:
    """What is known of a contact without what might allow: every verdict on it denies."""
    return state._replace(grants=())


class Written(NamedTuple):
    """The two records; the moments (ms) named in the rows, and the first at which they change."""

    state: bytes
    decision: bytes
    moments: frozenset[int]
    next_change: int | None


class Writer:
    """Encodes. Rows recur, but for a moment of their own: their bytes are kept."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._rows: dict[Row, bytes] = {}
        self._around: dict[tuple[object, ...], tuple[bytes, bytes]] = {}

    def written(
        self, state: State, policy: Policy, at: int, accepted: int, stamp: Stamp
    ) -> Written:
        """Decide at `at` (ms) and encode; `accepted` is that of the fact behind it."""
        rows, next_change = verdicts(state, policy, at)
        epoch, version, decided = stamp
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
        if row.until is not None:
            return self._dated(row, row.until)
        known = self._rows.get(row)
        if known is None:
            known = self._encoded(row)
            if len(self._rows) < _ROWS_KEPT:
                self._rows[row] = known
        return known

    def _dated(self, row: Row, until: int) -> bytes:
        """A row whose moment is its own: the bytes around it recur."""
        said = (
            row.channels, row.purposes, row.brand, row.allowed, row.basis,
            row.reasons, row.conditions, row.products, row.lapse,
        )  # fmt: skip
        known = self._around.get(said)
        if known is None:
            before, _, after = self._encoded(replace(row, until=_MARK)).rpartition(_MARK_BYTES)
            known = (before, after)
            if len(self._around) < _ROWS_KEPT:
                self._around[said] = known
        return known[0] + long_bytes(until) + known[1]

    def _encoded(self, row: Row) -> bytes:
        return self._codec.encode_item("noli.Decision", wire.decision_row(row))
