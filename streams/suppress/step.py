"""noli.suppress: folds facts into the state of a contact and publishes its verdicts.

Decode → `fold` → `verdicts` → encode; the law itself is `noli.domain`. A record that cannot be read
denies its contact first and is kept whole in `noli.quarantine` for a human (law: "Anything unknown,
unreadable, stale or in error answers D").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from noli import wire
from noli.domain import token
from noli.domain.fold import EMPTY, fold
from noli.runtime import chunks
from noli.wire.campaigns import CALLS
from schemas.codec import HEADER, UnreadableError
from schemas.names import BULK, CONTROL
from streams import calls, quarantine
from streams.suppress.newcomers import Newcomers
from streams.suppress.sources import Sources
from streams.suppress.writing import Stamp, Writer, bare, stamp
from streams.topology import SUPPRESS

if TYPE_CHECKING:
    from noli.domain.facts import Fact
    from noli.domain.policy import Policy
    from noli.domain.state import State
    from noli.runtime.part import Part, Record
    from schemas.codec import Codec


class Suppress:
    """The step of the suppress processor."""

    def __init__(self, codec: Codec, policy: Policy) -> None:
        self._codec = codec
        self._policy = policy
        self._sources = Sources(codec)
        self._writer = Writer(codec)
        self._newcomers = Newcomers(codec, self._writer, policy)
        self._header = codec.header(wire.INTENT)

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
            self._single(record, part)

    def restate(self, key: bytes, part: Part) -> None:
        """Write state and verdicts of a contact again, after a foreign write."""
        if len(key) != token.SIZE:
            self._sources.restate(key, part)
            return
        state, version = self._known(part.load(key))
        if version:
            # While folding: of whom nothing denies, nothing is told before all is known.
            told = not part.folding or bool(state.denials or state.marks)
            self._publish(key, state, version, part, told=told)

    def rederive(self, key: bytes, part: Part) -> None:
        """Decide again on the facts as they are: time, or a source, has changed the answer."""
        state, version = self._known(part.load(key))
        if version:
            self._publish(key, state, version, part)

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
            chunk = chunks.opened(record, self._codec)
        except wire.UNREADABLE as error:
            quarantine.keep(record, part, self._codec, error, "chunk")
            return
        ours, moment = chunk.header == self._header, stamp(part)
        before = len(part.caused)
        for number, (key, body) in enumerate(chunk.items):
            stored = part.load(key)
            if stored is None and ours and self._newcomer(key, body, moment, record.topic, part):
                continue
            self._contact(chunk.single(number), stored, part)
        part.decided_together(before)

    def _single(self, record: Record, part: Part) -> None:
        key, value = record.key, record.value
        stored = part.load(key) if key else None
        if stored is None and key and value and value.startswith(self._header):
            body = value[HEADER.size :]
            if self._newcomer(key, body, stamp(part), record.topic, part):
                return
        self._contact(record, stored, part)

    def _newcomer(self, key: bytes, body: bytes, moment: Stamp, lane: str, part: Part) -> bool:
        """Write the records of a contact of whom nothing is known; whether that could be done."""
        if len(key) != token.SIZE:
            return False
        found = self._newcomers.written(body, cast("Policy", part.shared), moment)
        if found is None:
            return False
        part.save(key, found.state)
        if part.folding and not found.denies:
            return True  # it may allow: told once all is folded
        part.emit(SUPPRESS.decisions, key, found.decision)
        part.decided(lane, found.accepted)
        return True

    def _contact(self, record: Record, stored: bytes | None, part: Part) -> None:
        """The long way; `stored` is the contact's state."""
        try:
            fact = self._read(record)
        except wire.UNREADABLE as error:
            fact = quarantine.keep(record, part, self._codec, error)
        key = record.key
        if key is None or len(key) != token.SIZE:
            return  # quarantined above: there is no contact to suppress
        state, version = self._known(stored)
        after = fold(state, fact)
        if after is state:
            return  # seen before: the answer stands
        told = fact.denies or not part.folding
        decided = self._publish(key, after, version, part, fact.accepted, told=told)
        if type(fact.detail) in CALLS:
            calls.tell(fact, record, calls.Told(key, decided), part, self._codec)
        if told:
            part.decided(record.topic, fact.accepted)

    def _read(self, record: Record) -> Fact:
        if record.key is None or len(record.key) != token.SIZE:
            raise UnreadableError("the key is not a contact token")
        return wire.read_contact_intent(self._codec, record.value)

    def _known(self, stored: bytes | None) -> tuple[State, int]:
        """State and version of a contact; version 0 when nothing is known."""
        if stored is None:
            return EMPTY, 0
        return wire.record_to_state(self._codec.decode(stored)[1])

    def _publish(
        self, key: bytes, state: State, version: int, part: Part, accepted: int | None = None,
        *, told: bool = True,
    ) -> int:  # fmt: skip
        """Decide and write; when that was, ms. `accepted` of the fact behind it, now without.

        While the partition is folded anew, only what denies is told.
        """
        moment = stamp(part)
        if moment.version <= version:
            moment = moment._replace(version=version + 1)
        policy, now = cast("Policy", part.shared), moment.decided
        accepted = now if accepted is None else accepted
        found = self._writer.written(state, policy, now, accepted, moment)
        part.save(key, found.state)
        if told and part.folding:
            found = self._writer.written(bare(state), policy, now, accepted, moment)
        if told:
            part.emit(SUPPRESS.decisions, key, found.decision)
        return now
