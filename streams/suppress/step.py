"""noli.suppress: folds facts into the state of a contact and publishes its verdicts.

Decode → `fold` → `verdicts` → encode; the law itself is `noli.domain`. A record that cannot be read
denies its contact first and is kept whole in `noli.quarantine` for a human (law: "Anything unknown,
unreadable, stale or in error answers D").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from noli import wire
from noli.domain import token
from noli.domain.fold import EMPTY, fold
from noli.domain.verdict import verdicts
from noli.runtime import chunks
from noli.runtime.clock import now_ms, now_us
from schemas.codec import UnreadableError
from schemas.names import BULK, CONTROL
from streams import quarantine
from streams.suppress.sources import Sources, labels_of
from streams.topology import SUPPRESS

if TYPE_CHECKING:
    from noli.domain.facts import Fact
    from noli.domain.policy import Policy
    from noli.domain.state import State
    from noli.domain.verdict import Row
    from noli.runtime.part import Part, Record
    from schemas.codec import Codec

#: Encoded rows kept; real states have a few hundred different ones, brands apart.
_ROWS_KEPT: Final = 4096


class Suppress:
    """The step of the suppress processor."""

    def __init__(self, codec: Codec, policy: Policy) -> None:
        self._codec = codec
        self._policy = policy
        self._sources = Sources(codec)
        self._rows: dict[Row, bytes] = {}

    def opened(self, part: Part) -> None:
        """Read which sources are revoked in this partition."""
        part.shared = self._sources.opened(part, self._policy)

    def process(self, record: Record, part: Part) -> None:
        """Fold one intent into its contact's state; publish what changed."""
        if record.topic == CONTROL:
            self._control(record, part)
        elif record.topic == BULK:
            self._chunk(record, part)
        else:
            self._contact(record, part)

    def restate(self, key: bytes, part: Part) -> None:
        """Write state and verdicts of a contact again, after a foreign write."""
        if len(key) != token.SIZE:
            self._sources.restate(key, part)
            return
        self.rederive(key, part)

    def rederive(self, key: bytes, part: Part) -> None:
        """Decide again on the facts as they are: time, or a source, has changed the answer."""
        state, version = self._load(key, part)
        if version:
            self._publish(key, state, version, part, now_ms())

    def swept(self, label: bytes, part: Part) -> None:
        """Every contact of a revoked source was decided again."""
        self._sources.swept(label, part)

    def _control(self, record: Record, part: Part) -> None:
        try:
            fact = wire.read_intent(self._codec, record.value)
            part.shared = self._sources.revoke(fact, part, cast("Policy", part.shared))
        except wire.UNREADABLE as error:
            quarantine.keep(record, part, self._codec, error)

    def _chunk(self, record: Record, part: Part) -> None:
        """Each intent of a load as if it had come alone. What names no contact denies nobody."""
        try:
            found = chunks.unpacked(record, self._codec)
        except wire.UNREADABLE as error:
            quarantine.keep(record, part, self._codec, error, "chunk")
            return
        for item in found:
            self._contact(item, part)

    def _contact(self, record: Record, part: Part) -> None:
        try:
            fact = self._read(record)
        except wire.UNREADABLE as error:
            fact = quarantine.keep(record, part, self._codec, error)
        key = record.key
        if key is None or len(key) != token.SIZE:
            return  # quarantined above: there is no contact to suppress
        state, version = self._load(key, part)
        after = fold(state, fact)
        if after is state:
            return  # seen before: the answer stands
        self._publish(key, after, version, part, fact.accepted)
        part.decided(record.topic, fact.accepted)

    def _read(self, record: Record) -> Fact:
        if record.key is None or len(record.key) != token.SIZE:
            raise UnreadableError("the key is not a contact token")
        return wire.read_contact_intent(self._codec, record.value)

    def _load(self, key: bytes, part: Part) -> tuple[State, int]:
        """State and version of a contact; version 0 when nothing is known."""
        stored = part.load(key)
        if stored is None:
            return EMPTY, 0
        return wire.record_to_state(self._codec.decode(stored)[1])

    def _publish(self, key: bytes, state: State, version: int, part: Part, accepted: int) -> None:
        now = now_ms()
        version = max(version + 1, now_us())
        rows, next_change = verdicts(state, cast("Policy", part.shared), now)
        labels = b"".join(sorted(labels_of(state)))
        stored = self._codec.encode(
            "noli.ContactState",
            wire.state_to_record(state, part.epoch, version, next_change, labels),
        )
        head = wire.decision_head(
            state,
            next_change,
            epoch=part.epoch,
            version=version,
            accepted=accepted,
            decided=now,
        )
        decision = self._codec.encode_items("noli.Decision", head, [self._row(r) for r in rows])
        part.save(key, stored)
        part.emit(SUPPRESS.decisions, key, decision)

    def _row(self, row: Row) -> bytes:
        """A row in the contract's bytes. Rows without a moment of their own recur: kept."""
        known = self._rows.get(row)
        if known is None:
            known = self._codec.encode_item("noli.Decision", wire.decision_row(row))
            if row.until is None and len(self._rows) < _ROWS_KEPT:
                self._rows[row] = known
        return known
