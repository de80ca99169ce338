"""The end of a run: everything heals and drains, and what is held is held against the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Final

from connectors.lens import Lens, Place
from noli import wire
from noli.domain.facts import Fact, SourceRevoked
from noli.domain.fold import EMPTY, fold
from noli.domain.policy import Policy
from noli.domain.verdict import verdicts
from noli.runtime import chunks
from noli.runtime.part import Record
from schemas.codec import lead, leading_long
from schemas.names import (
    BEACON_KEY,
    BULK,
    CLAIM_KEY,
    CONTROL,
    DECISIONS,
    GRANTS,
    OBJECTIONS,
    PARTIES,
    STATE,
)
from streams import topology as topologies
from tests.support.checker import Bounds, Category, Digest, History, Report, check
from tests.support.memlog import Entry
from tests.support.recorded import Raw, decided, logged
from tests.support.sim.connector import Connector
from tests.support.sim.events import CONTROLLER, naming
from tests.support.sim.replica import LEASE_S
from tests.support.sim.world import APPS, World
from tests.support.step import CODEC

_LANES: Final = (OBJECTIONS, CONTROL, GRANTS, BULK, PARTIES)
#: Rounds of everybody until a healed world must be at rest; a round is about half a second.
_ROUNDS: Final = 400
_QUIET: Final = 12
_TOKEN: Final = 17
BOUNDS: Final = Bounds(lease_ms=int(LEASE_S * 1000), covered=frozenset({OBJECTIONS}))


#: What is asked only at rest.
_OF_REST: Final = {Category.UNSEEN, Category.WITHHELD, Category.UNSETTLED, Category.OVERWRITTEN}


class NotAtRestError(Exception):
    """A healed world goes on and on."""


def heal(world: World) -> None:
    """No faults any more; what was under way lands; who was stopped is started."""
    log = world.log
    for faults in (log.cut, log.paused, log.unheard):
        faults.clear()
    log.sloth.clear()
    log.land()
    for target in world.targets.values():
        target.down = target.mute = False
    for process in world.processes.values():
        process.down = False
        process.calm()


def drain(world: World) -> None:
    """Let everybody work until nothing is left to do. Raises `NotAtRestError`."""
    quiet, before = 0, -1
    for _ in range(_ROUNDS):
        world.everybody()
        told = sum(len(world.log.written[topic]) for topic in world.log.topics) - beacons(world)
        done = told == before and _settled(world)
        quiet = quiet + 1 if done else 0
        before = told
        if quiet == _QUIET:
            return
    raise NotAtRestError({name: p.ends for name, p in world.processes.items()})


def beacons(world: World) -> int:
    """Signs of life so far: they never stop."""
    return sum(
        entry.key == BEACON_KEY or topic not in {*_LANES, STATE, DECISIONS}
        for topic, written in world.log.written.items()
        for _, entry in written
    )


def _settled(world: World) -> bool:
    """Whether every lane is committed to its end, and every reader of decisions is at theirs."""
    for topology in (topologies.SUPPRESS, topologies.PARTIES):
        offsets = world.log.group(topology.group).offsets
        for topic in topology.lanes:
            for number, partition in enumerate(world.log.topics[topic].partitions):
                committed = offsets.get((topic, number))
                if partition.end and (committed is None or committed.offset < partition.end):
                    return False
    ends = [partition.end for partition in world.log.topics[DECISIONS].partitions]
    for app in APPS:
        body = world.processes[app].body
        if not isinstance(body, Connector) or not body.idle:
            return False
        # A beacon may have come meanwhile.
        if any(body.positions.get(n, -1) < end - 2 for n, end in enumerate(ends)):
            return False
    return all(p.frontier >= end - 2 for p, end in zip(world.copy.positions, ends, strict=False))


def backfill(world: World, app: str) -> None:
    """Everybody is to be told again what was decided last of them."""
    lens = Lens([CONTROLLER])
    newest: dict[bytes, Any] = {}
    for number, entry in _effective(world, DECISIONS):
        key, datum = entry.key or b"", CODEC.decode(entry.value)[1]
        newest[key] = lens.change(key, datum, Place(number, entry.offset, None))
    world.books[app].again += [change for change in newest.values() if change is not None]


def judge(world: World, *, at_rest: bool) -> Report:
    """Everything observed against the checker's model."""
    history = replace(
        world.observed(),
        log=logged(CODEC, _raws(world, _LANES), naming),
        decided=decided(CODEC, _raws(world, (DECISIONS,))),
    )
    if at_rest:
        return check(history, BOUNDS)
    report = check(replace(history, dumps={}), BOUNDS)
    report.findings = [each for each in report.findings if each.category not in _OF_REST]
    return report


def at_rest(world: World) -> Report:
    """As `judge`, of a world that is healed and drained, with its states."""
    report = judge(world, at_rest=True)
    history = History(digests=list(digests(world)))
    settled = check(history)
    report.add(settled.findings)
    report.checked["digests"] = settled.checked["digests"]
    return report


def digests(world: World) -> Iterator[Digest]:
    """State ≡ fold of the log; decision ≡ verdicts of it; the topic's last record counts."""
    facts, policy = _facts(world)
    states = {e.key: e.value for _, e in _effective(world, STATE) if len(e.key or b"") == _TOKEN}
    rows = {e.key: e.value for _, e in _effective(world, DECISIONS)}
    last = {entry.key: entry.value for _, entry in world.log.written[STATE]}
    for key, said in facts.items():
        name, state = key.hex(), EMPTY
        for fact in said:
            state = fold(state, fact)
        if state is EMPTY:
            continue
        held = states.get(key)
        found = wire.record_to_state(CODEC.decode(held)[1])[0] if held else None
        yield Digest(f"state and fold of {name}", _hex(found), _hex(state))
        decision = CODEC.decode(rows[key])[1] if key in rows else {"rows": None}
        told = verdicts(state, policy, world.log.clock.ms)[0]
        wanted = {**decision, "rows": [wire.decision_row(row) for row in told]}
        if key in rows:
            wanted = CODEC.decode(CODEC.encode("noli.Decision", wanted))[1]
        yield Digest(
            f"decision and verdicts of {name}", _hex(decision["rows"]), _hex(wanted["rows"])
        )
        yield Digest(f"last record of the state of {name}", _hex(last.get(key)), _hex(held))


def _facts(world: World) -> tuple[dict[bytes, list[Fact]], Policy]:
    """What every contact's lanes say, as the suppress step reads it, and what is revoked."""
    found: dict[bytes, list[Fact]] = defaultdict(list)
    policy = Policy()
    for raw in _raws(world, (OBJECTIONS, GRANTS, BULK)):
        record = Record(*raw[:3], raw.key, raw.value, raw.at)
        for each in chunks.unpacked(record, CODEC) if raw.topic == BULK else [record]:
            if each.key is not None and len(each.key) == _TOKEN:
                found[each.key].append(_fact(each))
    for raw in _raws(world, (CONTROL,)):
        fact = wire.read_intent(CODEC, raw.value)
        if isinstance(fact.detail, SourceRevoked) and fact.source_id:
            policy = policy.with_revoked(fact.controller, fact.source_id, fact.accepted)
    return found, policy


def _fact(record: Record) -> Fact:
    try:
        return wire.read_contact_intent(CODEC, record.value)
    except wire.UNREADABLE as error:
        return wire.unreadable_fact(record.place, record.at, error)


def _raws(world: World, topics: Iterable[str]) -> Iterator[Raw]:
    """All that was ever appended, also what compaction took."""
    for topic in topics:
        for number, entry in world.log.written[topic]:
            yield Raw(topic, number, entry.offset, entry.at, entry.key, entry.value)


def _effective(world: World, topic: str) -> Iterator[tuple[int, Entry]]:
    """Records under contacts' keys that readers do not pass over."""
    epochs: dict[int, int] = defaultdict(int)
    for number, entry in world.log.written[topic]:
        value = entry.value or b""
        if entry.key == CLAIM_KEY:
            epochs[number] = max(epochs[number], leading_long(value))
        elif entry.key != BEACON_KEY:
            epoch = lead(value).epoch if topic == STATE else leading_long(value)
            if epoch >= epochs[number]:
                yield number, entry


def _hex(value: object) -> str:
    return blake2b(repr(value).encode(), digest_size=8).hexdigest()
