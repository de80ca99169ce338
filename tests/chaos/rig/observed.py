"""Everything a run left behind, as the checker's history: log, decisions, applications, answers.

Read at rest, through the observer's own listener. Topics of facts carry the broker's time
(`message.timestamp.type=LogAppendTime`, set by `stamp`), so what the log had taken by a moment is
known, not guessed from what a sender's clock said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from noli.domain.channel import Kind, channels_of, reach
from noli.domain.contact import Contact
from noli.domain.token import token
from noli.runtime import registry, scan
from noli.runtime.kafka import admin
from noli.runtime.part import Record
from noli.runtime.settings import Settings
from noli.wire import alignment
from schemas.codec import Codec
from schemas.names import (
    ALIGNMENT,
    BEACON_KEY,
    CLAIM_KEY,
    DECISIONS,
    GRANTS,
    OBJECTIONS,
    PARTIES,
    RECEIPTS,
    STATE,
)
from tests.chaos.rig import evidence
from tests.chaos.rig.crowd import Op
from tests.chaos.rig.lab import TABLE, Rig
from tests.support.bad_app import OBJECTED, BadApp
from tests.support.blackbox import CONTROLLER, Event
from tests.support.checker import facts
from tests.support.checker import records as checker
from tests.support.checker.check import check
from tests.support.checker.facts import Fact, Pair, event_id, fact_of
from tests.support.checker.findings import Category, Finding, Report

#: Lanes whose records are facts of contacts or parties, one each.
LANES: Final = (OBJECTIONS, GRANTS, PARTIES)
_STAMPED: Final = (*LANES, DECISIONS)
_TIMEOUT_S: Final = 15.0
#: How far below zero the partitions of a deleted topic are numbered.
_BYGONE: Final = 1_000


def stamp(settings: Settings) -> None:
    """From now on the broker's clock dates the records of these topics."""
    client = admin(settings)
    entry = ConfigEntry(
        "message.timestamp.type", "LogAppendTime", incremental_operation=AlterConfigOpType.SET
    )
    wanted = [ConfigResource(ResourceType.TOPIC, t, incremental_configs=[entry]) for t in _STAMPED]
    for done in client.incremental_alter_configs(wanted, request_timeout=_TIMEOUT_S).values():
        done.result()


def judged(
    rig: Rig,
    sent: Sequence[Op],
    aligned: Iterable[checker.Aligned] = (),
    bounds: checker.Bounds | None = None,
) -> Report:
    """What the checker says of all of it; see `history`."""
    found = history(rig, sent, aligned)
    report = check(found, bounds)
    report.findings = [one for one in report.findings if not _repaired(rig, one)]
    settings = rig.settings()
    report.notes += evidence.lines(
        found, report, lambda: _states(settings), registry.codec(settings)
    )
    return report


def _states(settings: Settings) -> evidence.States:
    """What the state topic holds."""
    return ((f"{r.partition}:{r.offset}", r.key, r.value) for r in every(settings, STATE))


def _repaired(rig: Rig, finding: Finding) -> bool:
    """Whether an application that was put back was repaired, and then filled: by no new decision.

    A repair takes away under the version that it reads; a backfill gives that version whole.
    """
    if finding.category is not Category.FORKED:
        return False
    first, second = finding.witness
    if not isinstance(first, checker.Told) or not isinstance(second, checker.Told):
        return False
    since = [at for app, at, _ in rig.restored if app == first.app and at <= second.at]
    less = first.allowed < second.allowed or second.allowed < first.allowed
    return bool(since) and less


def history(
    rig: Rig, sent: Sequence[Op], aligned: Iterable[checker.Aligned] = ()
) -> checker.History:
    """All of it; `sent`: every post since the rig began. Raises `scan.LogUnavailable`."""
    settings = rig.settings()
    codec = registry.codec(settings)
    events = {event_id(op.event): op.event for op in sent} | rig.probes
    found = checker.History(aligned=list(aligned))
    for number, op in enumerate(sent):
        found.ops += _submitted(number, op)
    found.ops += [op for event in rig.probes.values() for op in _probed(event)]
    for topic in LANES:
        found.log += [_logged(rig, codec, events, record) for record in every(settings, topic)]
    found.decided = rig.bygone + decisions(rig)
    found.receipts = [r for record in every(settings, RECEIPTS) for r in _receipts(codec, record)]
    found.published = list(_published(codec, every(settings, ALIGNMENT)))
    for name, app in rig.apps.items():
        found.arrivals += _in_order(rig, name, _arrivals(name, app))
        found.dumps[name] = {
            contact: checker.Held(held.version or 0, _pairs(held.allowed))
            for contact, held in app.held.items()
        }
    found.arrivals += _in_order(rig, TABLE, _told(rig))
    found.dumps[TABLE] = _table(rig)
    found.scopes[TABLE] = checker.Scope(channels=frozenset({"sms", "operator_call"}))
    return found


def decisions(rig: Rig) -> list[checker.Decided]:
    """Every claim and decision that the topic holds now."""
    settings = rig.settings()
    codec = registry.codec(settings)
    return [one for record in every(settings, DECISIONS) for one in _decided(codec, record)]


def forget_decisions(rig: Rig) -> None:
    """The topic is about to be deleted: what it says is kept, as of partitions that are no more."""
    gone = [*rig.bygone, *decisions(rig)]
    rig.bygone = [one._replace(partition=one.partition - _BYGONE) for one in gone]


def _in_order(
    rig: Rig, app: str, told: Iterable[checker.Told]
) -> list[checker.Told | checker.Restored]:
    """Arrivals of an application, and where among them it was put back."""
    put_back = [checker.Restored(*one) for one in rig.restored if one[0] == app]
    return sorted([*told, *put_back], key=lambda one: one.at)


def every(settings: Settings, topic: str) -> Iterator[Record]:
    """Every record of a topic, partition by partition."""
    for number in range(scan.partitions(settings, [topic])[topic]):
        yield from scan.records(settings, {topic: number})


def _submitted(number: int, op: Op) -> Iterator[checker.Op]:
    who, value = f"sender-{number}", {"event": event_id(op.event)}
    yield checker.Op("invoke", who, op.began, "submit", value)
    if op.acked is not None:
        yield checker.Op("ok", who, op.acked, "submit", {**value, "receipt": op.receipt})


def _probed(event: Event) -> Iterator[checker.Op]:
    yield checker.Op("invoke", f"probe-{event['id']}", 0, "submit", {"event": event_id(event)})


def _logged(rig: Rig, codec: Codec, events: Mapping[str, Event], record: Record) -> checker.Logged:
    datum = codec.decode(record.value)[1]
    name, contact = f"{datum['source']}|{datum['id']}", datum["contact"]
    place = None if contact is None else _token(rig, contact)
    event = events.get(name)
    if event is None:  # in the log, and nobody sent it: the checker says so
        fact = Fact(name, facts.Kind.DOUBT, datum["time"], datum["accepted"], place)
    else:
        fact = fact_of(event, datum["time"], datum["accepted"], place)
    if datum.get("party") and fact.party is None:
        fact = fact._replace(party=datum["party"])
    if contact is not None:
        able = channels_of(reach(Kind(contact["kind"])))
        fact = fact._replace(reach=frozenset(channel.value for channel in able))
    return checker.Logged(record.topic, record.partition, record.offset, record.at, fact)


def _token(rig: Rig, contact: Mapping[str, Any]) -> str:
    made = Contact(Kind(contact["kind"]), contact["value"])
    return token(rig.pepper, CONTROLLER, made).hex()


def _decided(codec: Codec, record: Record) -> Iterator[checker.Decided]:
    if record.key == BEACON_KEY or record.key is None:
        return
    datum = codec.decode(record.value)[1]
    place = record.partition, record.offset, record.at, datum["epoch"]
    if record.key == CLAIM_KEY:
        yield checker.Decided(*place)
        return
    allowed: set[Pair] = set()
    objected: set[Pair] = set()
    for row in datum["rows"]:
        into = allowed if row["allowed"] else objected
        if row["allowed"] or not OBJECTED.isdisjoint(row["reasons"]):
            brand = row["brand"]
            into |= {(c, p, brand) for c in row["channels"] for p in row["purposes"]}
    yield checker.Decided(
        *place, record.key.hex(), datum["version"], frozenset(allowed), frozenset(objected)
    )


def _receipts(codec: Codec, record: Record) -> Iterator[checker.Receipt]:
    name, datum = codec.decode(record.value)
    if name != "noli.Receipt":
        return
    for change in datum["changes"]:
        yield checker.Receipt(
            datum["app"],
            datum["at"],
            change["token"].hex(),
            change["version"],
            change["outcome"],
        )


def _published(codec: Codec, records: Iterable[Record]) -> Iterator[checker.Published]:
    """What the watcher published, as readers keep it: the late word of a stopped one counts not."""
    known: dict[str, alignment.Aligned] = {}
    for record in records:
        name, datum = codec.decode(record.value)
        one = alignment.read(datum)
        if name == "noli.Alignment" and alignment.newer(known.get(one.app), one):
            known[one.app] = one
            held_by = tuple(hold.why for hold in one.held_by)
            yield checker.Published(one.app, max(one.at, record.at), one.as_of, held_by)


def _arrivals(name: str, app: BadApp) -> Iterator[checker.Told]:
    for one in app.arrivals:
        yield checker.Told(
            name, one.at, one.token, one.version, one.allowed, one.objected, one.applied
        )


def _pairs(allowed: Mapping[Pair, bool]) -> frozenset[Pair]:
    return frozenset(pair for pair, yes in allowed.items() if yes)


def _told(rig: Rig) -> Iterator[checker.Told]:
    """What came to the dialer's table."""
    for at, name, version, allowed, objected in rig.table.arrivals():
        yield checker.Told(TABLE, at, name, version, _spelled(allowed), _spelled(objected))


def _spelled(pairs: Sequence[str] | None) -> frozenset[Pair]:
    made = [tuple(pair.split(" ", 2)) for pair in pairs or ()]
    return frozenset((channel, purpose, brand) for channel, purpose, brand in made)


def _table(rig: Rig) -> dict[str, checker.Held]:
    """What the dialer's table holds, by token."""
    held: dict[str, tuple[int, set[Pair]]] = {}
    for name, channel, purpose, brand, allowed, version in rig.table.held():
        known, pairs = held.setdefault(name, (version, set()))
        held[name] = max(known, version), pairs
        if allowed:
            pairs.add((channel, purpose, brand))
    return {name: checker.Held(version, frozenset(p)) for name, (version, p) in held.items()}
