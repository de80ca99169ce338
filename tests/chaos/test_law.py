"""The whole law on a real broker, under kill -9 and a replay: what is held is the fold of the log.

Histories of every type of event are appended out of order and in part twice, the worker is killed
between. NOLI_CHAOS_SEED repeats a run.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import pytest

from noli import wire
from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.domain.facts import Fact
from noli.domain.policy import Policy
from noli.domain.token import Pepper, token
from noli.domain.verdict import verdicts
from noli.runtime import registry
from noli.runtime.partition import partition_of
from noli.runtime.settings import Settings
from schemas.codec import Codec
from schemas.names import DECISIONS, GRANTS, OBJECTIONS, STATE
from tests.support import blackbox
from tests.support.blackbox import until
from tests.support.histories import history
from tests.support.law import folded, objection
from tests.support.log import Reader, append

LONG: Final = os.environ.get("NOLI_CHAOS") == "long"
SEED: Final = int(os.environ.get("NOLI_CHAOS_SEED") or secrets.randbelow(100_000))
CONTACTS: Final = 5_000 if LONG else 600
#: Facts of a contact: more than its state remembers by id would make a repeat a new fact.
MOST: Final = 12
KILLS: Final = 8 if LONG else 2
#: Everything appended is decided by then, the machine being busy, in seconds.
SETTLE_S: Final = 90.0
PARTITIONS: Final = 8
PEPPER: Final = Pepper(1, b"c" * 32)
_VALUE: Final = {
    Kind.PHONE: "+39333{:07d}",
    Kind.EMAIL: "anna{}@example.it",
    Kind.POSTAL: "via roma {}, 00100 roma",
}

Newest = dict[bytes, bytes]


class Intent(NamedTuple):
    """A record of an input lane."""

    lane: str
    key: bytes
    fact: Fact


@pytest.mark.rule("OBJECT")
@pytest.mark.timeout(1200 if LONG else 300)
def test_what_is_held_is_the_fold_of_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """State and decision of each contact are those of its facts; a replay changes nothing."""
    chance = Random(SEED)
    stories = dict(told(chance))
    intents = [intent for story in stories.values() for intent in story]
    said = chance.sample(intents, len(intents)) + chance.sample(intents, len(intents) // 3)
    with capsys.disabled():
        print(f"\nlaw under kills: seed {SEED}, {len(said):,} facts of {len(stories):,} contacts")
    (tmp_path / "apps").mkdir()
    with blackbox.up(tmp_path / "data", tmp_path / "apps") as stack:
        found = stack.endpoints()
        settings = Settings(
            kafka=found["kafka"], registry=found["registry"], data=tmp_path / "reader"
        )
        codec = registry.codec(settings)
        step = len(said) // (KILLS + 1)
        for number in range(KILLS):
            put(settings, codec, said[number * step : (number + 1) * step])
            kill(stack)
        put(settings, codec, said[KILLS * step :])
        first = settled(settings, codec, chance, 1)
        check(codec, stories, first)
        put(settings, codec, chance.sample(intents, len(intents)))
        again = settled(settings, codec, chance, 2)
    moved = [key.hex() for key in stories if again[STATE][key] != first[STATE][key]]
    assert moved == [], "a replay of the past wrote these contacts again"


def told(chance: Random) -> Iterator[tuple[bytes, list[Intent]]]:
    """Contacts by token, with what is said of each."""
    for number in range(CONTACTS):
        kind, facts = history(chance, chance.randint(1, MOST))
        contact = Contact(kind, _VALUE[kind].format(number))
        key = token(PEPPER, "acme", contact)
        yield key, [of(replace(fact, contact=contact), key) for fact in facts]


def of(fact: Fact, key: bytes) -> Intent:
    """A fact in the lane that the intake would give it."""
    return Intent(OBJECTIONS if fact.denies else GRANTS, key, fact)


def put(settings: Settings, codec: Codec, intents: Iterable[Intent]) -> None:
    """Append to the lanes."""
    by_lane: dict[str, list[tuple[int, bytes | None, bytes]]] = {OBJECTIONS: [], GRANTS: []}
    for lane, key, fact in intents:
        value = codec.encode("noli.Intent", wire.fact_to_intent(fact))
        by_lane[lane].append((partition_of(key, PARTITIONS), key, value))
    for lane, items in by_lane.items():
        append(settings, lane, items)


def kill(stack: blackbox.Stack) -> None:
    """Kill -9, and wait for the next worker."""
    pid = stack.pid("suppress-0")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: stack.pid("suppress-0") not in {None, pid}, "suppress again", SETTLE_S)


def settled(settings: Settings, codec: Codec, chance: Random, round_: int) -> Mapping[str, Newest]:
    """The newest state and decision of each contact, once all appended so far is decided.

    A probe at the end of each lane of each partition tells that what stood before it is done.
    """
    probes = [probe(chance, lane, number) for lane in (OBJECTIONS, GRANTS) for number in range(8)]
    put(settings, codec, probes)
    wanted = {intent.key for intent in probes}
    assert len(wanted) == 2 * PARTITIONS, round_
    return {topic: newest(settings, topic, wanted) for topic in (STATE, DECISIONS)}


def probe(chance: Random, lane: str, partition: int) -> Intent:
    """A fact of nobody else, for that partition."""
    while True:
        contact = Contact(Kind.PHONE, f"+39309{chance.randrange(10**7):07d}")
        key = token(PEPPER, "acme", contact)
        if partition_of(key, PARTITIONS) == partition:
            return Intent(lane, key, replace(objection(1, nonce=key.hex()), contact=contact))


def newest(settings: Settings, topic: str, wanted: set[bytes]) -> Newest:
    """The last value of each key, once all of `wanted` are there."""
    reader = Reader(settings, topic)
    try:
        records = reader.until(lambda all_: wanted <= {one.key for one in all_}, SETTLE_S)
    finally:
        reader.close()
    return {one.key: one.value for one in records if one.key and one.value}


def check(codec: Codec, stories: Mapping[bytes, list[Intent]], held: Mapping[str, Newest]) -> None:
    """State ≡ fold of the facts; decision ≡ verdicts of that state, to the byte."""
    for key, story in stories.items():
        state = folded(intent.fact for intent in story)
        assert wire.record_to_state(codec.decode(held[STATE][key])[1])[0] == state, key.hex()
        decision = codec.decode(held[DECISIONS][key])[1]
        own = {name: decision[name] for name in ("epoch", "version", "accepted", "decided")}
        rows, next_change = verdicts(state, Policy(), decision["decided"])
        record = wire.decision_record(state, rows, next_change, **own)
        assert codec.encode("noli.Decision", record) == held[DECISIONS][key], key.hex()
