"""Contacts of whom nothing is known, by the thousand: their records are written from templates.

What the law says of a first fact depends on its shape (who decides, what was said, through which
source), on its age, and on nobody in particular (see `lesson`). Whatever is not plain, not proved,
or seen too seldom goes the long way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from noli import wire
from noli.domain import seen
from schemas.codec import UnreadableError, pack_lead
from schemas.template import long_bytes, long_of
from streams.suppress.lesson import Values, learnt, longs

if TYPE_CHECKING:
    from noli.domain.policy import Policy
    from schemas.codec import Codec
    from streams.suppress.lesson import Plan
    from streams.suppress.writing import Stamp, Writer

#: Times a shape comes before it is learnt: a lesson costs about as much as ten facts decided.
_LEARN_AT: Final = 3
#: Shapes, and moments, remembered; then all are forgotten.
_KEPT: Final = 4096


class Newcomer(NamedTuple):
    """The records of a contact that was not known, and when its fact was accepted (ms)."""

    state: bytes
    decision: bytes
    accepted: int
    #: Whether the fact can only deny.
    denies: bool


class Newcomers:
    """Learns and writes. `policy`: the law without any source revoked."""

    def __init__(self, codec: Codec, writer: Writer, policy: Policy) -> None:
        self._codec = codec
        self._writer = writer
        self._policy = policy
        #: Plans by shape; none for a shape that cannot be learnt.
        self._plans: dict[object, tuple[Plan, ...]] = {}
        self._sightings: dict[object, int] = {}
        self._times: dict[bytes, int] = {}
        self._stamped: tuple[Stamp | None, tuple[bytes, ...]] = (None, ())

    def written(self, body: bytes, policy: Policy, stamp: Stamp) -> Newcomer | None:
        """The records of a contact whose first fact is `body`; None where the law must be asked.

        `body` is an intent's under our own schema, without its header.
        """
        found = wire.plain(body)
        if found is None:
            return None
        shape = found.shape
        plans = self._plans.get(shape)
        if plans is None:
            plans = self._met(shape, found)
        times = self._times
        try:
            time = times.get(found.time) or self._time(found.time)
            accepted = times.get(found.accepted) or self._time(found.accepted)
        except UnreadableError:
            return None
        early = time <= accepted
        effective = time if early else accepted
        age = stamp.decided - effective
        for plan in plans:
            if plan.since <= age < plan.until:
                break
        else:
            return None
        if policy.revoked and plan.source in policy.revoked:
            return None
        values: Values = (
            found.value,
            found.text,
            seen.add(b"", accepted, found.fact_id),
            found.time if early else found.accepted,
            found.accepted,
            pack_lead(stamp.epoch, effective + plan.wake if plan.wake is not None else 0),
            *self._longs(stamp),
            *[long_bytes(effective + ms) for ms in plan.later],
        )
        state, decision = plan.state.filled(values), plan.decision.filled(values)
        return Newcomer(state, decision, accepted, plan.denies)

    def _longs(self, stamp: Stamp) -> tuple[bytes, ...]:
        """What the contacts of a chunk share, made once."""
        if self._stamped[0] is not stamp:
            self._stamped = (stamp, longs(stamp))
        return self._stamped[1]

    def _time(self, data: bytes) -> int:
        """A moment, ms; facts of a load share a few. Raises `UnreadableError`."""
        if len(self._times) >= _KEPT:
            self._times.clear()
        return self._times.setdefault(data, long_of(data))

    def _met(self, shape: object, found: wire.Plain) -> tuple[Plan, ...]:
        """Learn a shape that comes again and again."""
        if len(self._sightings) >= _KEPT:
            self._sightings.clear()
            self._plans.clear()
        met = self._sightings[shape] = self._sightings.get(shape, 0) + 1
        if met < _LEARN_AT:
            return ()
        plans = learnt(self._codec, self._writer, self._policy, found)
        self._plans[shape] = plans
        return plans
