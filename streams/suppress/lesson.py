"""How the records of a contact with one fact are written: learnt from the law itself, and proved.

Time is a difference to the law: the same facts, all a day later, are answered alike a day later.
So for each span of ages between two changes it is asked about three contacts that nobody is. From
the first answer the template is cut; the others, of another value, id, time and acceptance, at the
span's other end, it must give byte for byte. A shape that fails this is not learnt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from noli import wire
from noli.domain import seen
from noli.domain.fold import EMPTY, fold
from noli.domain.rules.register import ITALY
from schemas.codec import pack_lead
from schemas.template import Template, long_bytes
from streams.suppress.writing import Stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noli.domain.facts import Fact
    from noli.domain.policy import Policy
    from noli.domain.state import State
    from schemas.codec import Codec
    from streams.suppress.writing import Writer, Written

#: What the holes of a template are filled with; see `_values`.
Values = tuple[bytes, ...]

#: Spans of ages of one shape at most; one fact has at most two changes before it.
_SPANS_MAX: Final = 8
#: The youngest fact: one that another clock, an hour ahead of ours, stamped; ms.
_YOUNGEST: Final = -3_600_000
#: An age nobody reaches, and one that is far enough to see whether nothing changes; ms.
_NEVER: Final = 1 << 60
_FAR: Final = 10 * 365 * 86_400_000


#: Before a text that need not be there.
_PRESENT: Final = b"\x02"


class Plan(NamedTuple):
    """How the records of a shape are written for ages `since` <= age < `until`, in ms.

    `later`: the moments they name, `wake`: their first change, in ms after the effective time.
    `source`: whose revocation would change them. `denies`: such a fact can only deny.
    """

    since: int
    until: int
    later: tuple[int, ...]
    wake: int | None
    source: tuple[str, str]
    denies: bool
    state: Template
    decision: Template


class _Probe(NamedTuple):
    """A contact that nobody is: its fact's time, how much later it was accepted (ms), and so on."""

    name: bytes
    time: int
    behind: int
    stamp: Stamp


_PROBES: Final = (
    _Probe(
        b"~one", 1_700_000_123_457, 977_531,
        Stamp(0x5A17_0001, 1_800_000_000_111_000, 1_650_000_777_001),
    ),
    _Probe(
        b"~two", 1_611_111_111_111, 86_400_123,
        Stamp(0x5A17_1202, 1_800_000_222_222_001, 1_651_111_777_002),
    ),
    _Probe(
        b"~three", 1_533_333_333_019, -5_077,
        Stamp(0x5A17_3103, 1_800_000_333_333_007, 1_652_222_777_003),
    ),
)  # fmt: skip


class _Case(NamedTuple):
    """A fact on its own, and what the law makes of it: its parts, its state, its moments."""

    found: wire.Plain
    fact: Fact
    state: State
    stamp: Stamp


class _Pupil:
    """Asks the law about one shape."""

    def __init__(self, codec: Codec, writer: Writer, policy: Policy) -> None:
        self._codec = codec
        self._writer = writer
        self._policy = policy

    def case(self, found: wire.Plain, stamp: Stamp) -> _Case:
        """Decode and fold. Raises one of `wire.UNREADABLE`."""
        body = self._codec.header(wire.INTENT) + found.body()
        fact = wire.read_contact_intent(self._codec, body)
        return _Case(found, fact, fold(EMPTY, fact), stamp)

    def written(self, case: _Case, age: int) -> Written:
        """The records at an age (ms)."""
        at = case.fact.effective + age
        return self._writer.written(case.state, self._policy, at, case.fact.accepted, case.stamp)

    def plans(self, probes: Sequence[_Case]) -> Iterator[Plan]:
        """The plan of each span of ages, youngest first, proved. Raises ValueError."""
        since = _YOUNGEST
        for _ in range(_SPANS_MAX):
            plan = self._plan(probes[0], since)
            last = since + _FAR if plan.until == _NEVER else plan.until - 1
            for probe, age in ((probes[1], last), (probes[2], since), (probes[2], last)):
                self.prove(plan, probe, age)
            yield plan
            if plan.until == _NEVER:
                return
            since = plan.until
        raise ValueError("too many changes")

    def _plan(self, probe: _Case, since: int) -> Plan:
        """The plan of a span, cut from the answer at its beginning."""
        told = self.written(probe, since)
        effective, change = probe.fact.effective, told.next_change
        later = sorted({moment - effective for moment in told.moments})
        wake = None if change is None else change - effective
        source = (probe.fact.controller, probe.fact.source_id or "")
        if wake is not None:
            later = sorted({*later, wake})
        values = _values(probe, later, wake)
        return Plan(
            since,
            _NEVER if wake is None else wake,
            tuple(later),
            wake,
            source,
            probe.fact.denies,
            Template(told.state, values),
            Template(told.decision, values),
        )

    def prove(self, plan: Plan, case: _Case, age: int) -> None:
        """Raises ValueError where the plan does not write what the law says."""
        told, values = self.written(case, age), _values(case, plan.later, plan.wake)
        written = (plan.state.filled(values), plan.decision.filled(values))
        if written != (told.state, told.decision):
            raise ValueError("not of one shape")


def learnt(codec: Codec, writer: Writer, policy: Policy, found: wire.Plain) -> tuple[Plan, ...]:
    """The plans of a shape, of which `found` is one; none where it cannot be learnt."""
    pupil = _Pupil(codec, writer, policy)
    try:
        real = pupil.case(found, _PROBES[0].stamp)
        if not _read_alike(real):
            return ()
        probes = [pupil.case(_disguised(found, probe), probe.stamp) for probe in _PROBES]
        if any(probe.found.shape != found.shape or probe.state is EMPTY for probe in probes):
            return ()
        plans = tuple(pupil.plans(probes))
        for plan in plans:
            pupil.prove(plan, real, plan.since)
    except wire.UNREADABLE:  # a ValueError is one
        return ()
    return plans


def _disguised(found: wire.Plain, probe: _Probe) -> wire.Plain:
    """The same fact about a contact that nobody is."""
    name = probe.name
    return found._replace(
        fact_id=name.rjust(len(found.fact_id), b"~"),
        origin=_text(b"/probe" + name) + _text(name),
        time=long_bytes(probe.time),
        accepted=long_bytes(probe.time + probe.behind),
        value=_text((ITALY.encode() if found.italian else b"#") + name + b"~"),
        evidence=found.evidence
        if len(found.evidence) <= len(_PRESENT)
        else _PRESENT[:1] + _text(name),
        text=found.text and _text(b"text" + name),
    )


def _text(said: bytes) -> bytes:
    """A short text in Avro."""
    return long_bytes(len(said)) + said


def _read_alike(case: _Case) -> bool:
    """Whether taking the bytes apart has found what decoding finds."""
    found, fact = case.found, case.fact
    contact = fact.contact
    return (
        contact is not None
        and found.fact_id == fact.fact_id
        and found.value == _text(contact.value.encode())
        and found.time == long_bytes(fact.time)
        and found.accepted == long_bytes(fact.accepted)
    )


def longs(stamp: Stamp) -> tuple[bytes, bytes, bytes]:
    """The part of the values that all contacts decided together share."""
    return long_bytes(stamp.version), long_bytes(stamp.decided), long_bytes(stamp.epoch)


def _values(case: _Case, later: Sequence[int], wake: int | None) -> Values:
    """What goes into the holes, in the order of `newcomers`."""
    found, fact, stamp = case.found, case.fact, case.stamp
    effective = fact.effective
    return (
        found.value,
        found.text,
        seen.add(b"", fact.accepted, fact.fact_id),
        long_bytes(effective),
        found.accepted,
        pack_lead(stamp.epoch, 0 if wake is None else effective + wake),
        *longs(stamp),
        *[long_bytes(effective + ms) for ms in later],
    )
