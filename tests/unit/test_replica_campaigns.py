"""Campaigns in the copy: whose calls are barred, and that every doubt bars them too."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import lmdb
import pytest

from noli.domain.question import Question
from noli.replica import gate as gates
from noli.replica import store as copies
from noli.replica.encoding import seal
from noli.replica.gate import Answer, Gate
from noli.replica.ratios import Board, Known, Ratios, name_of, put
from noli.replica.store import Store
from noli.runtime.metrics import checks
from noli.wire.campaigns import campaign_key
from tests.support.copies import (
    ALICE,
    BOB,
    CODEC,
    CONTROLLER,
    NOW,
    PEPPER,
    Message,
    decision,
    denial,
    fresh,
    row,
)
from tests.support.ratios import beacon, told, write, write_beside

CALL = ("operator_call", "marketing")
RATIO = "CAMPAIGN_SILENT_RATIO"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second after the newest beacons."""
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 1_000)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Alice may be called, automatically too, and written to; Bob objected."""
    rows = [row(channels=["operator_call", "automated_call", "sms"], conditions=["c"])]
    refused = [denial("OBJECTED", channels=["email"]), denial("OBJECTED")]
    fresh(tmp_path, [(ALICE, decision(rows)), (BOB, decision(refused))])
    return tmp_path


def ask(copy: Path, campaign: str | None = "spring", channel: str = "operator_call") -> Answer:
    """One question about Alice, all three ways, which must agree."""
    with Gate.open(copy, pepper=PEPPER) as gate:
        one = gate.check(CONTROLLER, ALICE, channel, "marketing", campaign=campaign)
        question = Question(CONTROLLER, ALICE, channel, "marketing", campaign=campaign)
        listed = gate.check_list(
            CONTROLLER, [ALICE, ALICE], (channel, "marketing", None, None), campaign
        )
        assert [one, one, one] == [*gate.check_many([question]), *listed]
        return one


@pytest.mark.rule("SILENT-RATIO")
@pytest.mark.parametrize("channel", ["operator_call", "automated_call"])
def test_a_campaign_over_its_ratio_is_barred_from_calling(copy: Path, channel: str) -> None:
    """Its calls are denied with the reason; another campaign's are allowed as ever."""
    write(copy, {"spring": True, "autumn": False})
    answer = ask(copy, channel=channel)
    assert answer == Answer(False, None, (RATIO,), (), None, NOW)
    assert ask(copy, "autumn", channel).allowed
    assert ask(copy, "never heard of", channel).allowed


@pytest.mark.rule("SILENT-RATIO")
def test_other_channels_and_who_names_none_are_untouched(copy: Path) -> None:
    """An SMS of the campaign goes; so does a call of none, whatever is known of campaigns."""
    write(copy, {"spring": True})
    assert ask(copy, "spring", "sms").allowed
    assert ask(copy, None).allowed
    assert ask(copy, "").allowed
    assert not ask(copy, " spring ").allowed


@pytest.mark.rule("SILENT-RATIO")
def test_it_stands_beside_the_contacts_own_reasons(copy: Path) -> None:
    """In the order of the law; a batch answers each question for its own campaign."""
    write(copy, {"spring": True})
    with Gate.open(copy, pepper=PEPPER) as gate:
        answers = gate.check_many(
            [
                Question(CONTROLLER, BOB, "operator_call", "marketing", campaign="spring"),
                Question(CONTROLLER, BOB, "email", "marketing", campaign="spring"),
                Question(CONTROLLER, ALICE, *CALL, campaign="spring"),
                Question(CONTROLLER, ALICE, *CALL),
                Question("another", ALICE, *CALL, campaign="spring"),
            ]
        )
    assert [answer.reasons for answer in answers] == [
        (RATIO, "CHANNEL_MISMATCH"), ("OBJECTED",), (RATIO,), (), ("NO_BASIS",),
    ]  # fmt: skip
    assert [answer.allowed for answer in answers] == [False, False, False, True, False]


@pytest.mark.rule("SILENT-RATIO")
def test_the_ratio_that_falls_lifts_it(copy: Path) -> None:
    """The next record of the campaign opens it again, in a gate that is open meanwhile."""
    write(copy, {"spring": True})
    with Gate.open(copy, pepper=PEPPER) as gate:
        assert not gate.check(CONTROLLER, ALICE, *CALL, campaign="spring").allowed
        write_beside(copy, {"spring": False}, NOW + 500)
        assert gate.check(CONTROLLER, ALICE, *CALL, campaign="spring").allowed


@pytest.mark.rule("ALL-ALIGNED")
@pytest.mark.parametrize("as_of", [None, NOW - 29_001, NOW + 31_001])
def test_what_is_not_fresh_denies_who_names_a_campaign(copy: Path, as_of: int | None) -> None:
    """Older than the lease, from the future, or told by no watcher: STALE_REPLICA, and counted."""
    write(copy, {"spring": False}, as_of)
    before = checks.STALE._value.get()
    assert ask(copy) == Answer(False, None, ("STALE_REPLICA",), (), None, NOW)
    assert checks.STALE._value.get() == before + 4
    assert ask(copy, None).allowed
    assert ask(copy, "spring", "sms").allowed
    write(copy, {"spring": False}, NOW - 29_000)
    assert ask(copy).allowed


def test_a_copy_that_knows_no_campaigns_denies_who_names_one(copy: Path) -> None:
    """Of an older build, or without a watcher: whoever names none is answered as ever."""
    assert ask(copy).reasons == ("STALE_REPLICA",)
    assert ask(copy, None).allowed
    with Gate.open(copy, pepper=PEPPER) as gate:
        assert gate.campaigns_as_of() is None
        assert gate.status().fresh
        write_beside(copy, {}, NOW)
        assert gate.campaigns_as_of() == NOW


@pytest.mark.parametrize("key", [b"campaigns", b"campaigns.over"])
@pytest.mark.parametrize("damage", ["flipped", "gone", "sealed rubbish"])
def test_a_damaged_part_denies_who_names_a_campaign(copy: Path, key: bytes, damage: str) -> None:
    """A flipped bit, a value that is not there, another that is whole and means nothing."""
    write(copy, {"spring": False})
    assert ask(copy).allowed
    generation = copies.current(copy)
    assert generation is not None
    with (
        closing(Store(generation, write=True, durable=False)) as store,
        store.env.begin(write=True) as txn,
    ):
        value = bytearray(txn.get(key, b"", store.meta))
        value[-1] ^= 1
        found = {"flipped": bytes(value), "sealed rubbish": seal(b"\xc1")}
        if damage == "gone":
            txn.delete(key, db=store.meta)
        else:
            txn.put(key, found[damage], db=store.meta)
    assert ask(copy).reasons == ("STALE_REPLICA",)
    assert ask(copy, None).allowed


def test_a_campaign_that_is_no_text_is_denied(copy: Path) -> None:
    """A check never raises; the question beside it is answered."""
    write(copy, {})
    odd: Any = 7
    with Gate.open(copy, pepper=PEPPER) as gate:
        asked = [Question(CONTROLLER, ALICE, *CALL, campaign=name) for name in (odd, "spring")]
        odd_one, good = gate.check_many(asked)
    assert (odd_one.reasons, good.allowed) == (("STALE_REPLICA",), True)


def test_a_closed_gate_denies_whoever_names_a_campaign(copy: Path) -> None:
    """As it denies everybody."""
    write(copy, {})
    gate = Gate.open(copy, pepper=PEPPER)
    gate.close()
    assert gate.check(CONTROLLER, ALICE, *CALL, campaign="spring").reasons == ("STALE_REPLICA",)
    assert gate.campaigns_as_of() is None


def board(*messages: Message, partitions: int = 1) -> Board:
    """A writer that has read these."""
    found = Board(CODEC, partitions)
    found.take(messages)
    return found


def test_the_last_word_on_a_campaign_stands_unless_it_counted_fewer_calls() -> None:
    """A watcher that had been replaced, and wrote late, is passed over."""
    spring = name_of(CONTROLLER, "spring")
    newer, older = told("spring", silent=4, over=True), told("spring", silent=3)
    assert board(older, newer).ratios().over == {spring}
    assert board(newer, older).ratios().over == {spring}
    again = told("spring", silent=4)
    assert board(newer, again).ratios().over == frozenset()


def test_an_unreadable_record_bars_its_campaign_until_a_readable_one() -> None:
    """Whatever it said, the worst is assumed."""
    key = campaign_key(CONTROLLER, "spring")
    broken = Message(0, 0, key, b"junk")
    found = board(told("spring", attended=9), broken, Message(0, 0, None, b"junk"))
    assert found.ratios().over == {name_of(CONTROLLER, "spring")}
    assert found.unreadable == 2
    found.take([told("spring", attended=9)])
    assert found.ratios().over == frozenset()


def test_freshness_is_that_of_the_partition_furthest_behind() -> None:
    """Unknown while one has had no beacon; whole once each was read to its end."""
    found = board(beacon(NOW, 0), partitions=2)
    assert found.ratios() == Ratios(None, frozenset())
    found.take([beacon(NOW - 7, 1)])
    assert found.ratios().as_of == NOW - 7
    found.reached(0)
    assert not found.whole
    found.reached(1)
    assert found.whole


def test_only_what_changed_is_written(copy: Path) -> None:
    """A beacon a second must not write every campaign again."""
    generation = copies.current(copy)
    assert generation is not None
    known = Known()
    with closing(Store(generation, write=True, durable=False)) as store:
        first = Ratios(NOW, frozenset({b"a" * 16}))
        edition = put(store, first, None, 10)
        assert (edition, known.read(store)) == (11, first)
        beaten = Ratios(NOW + 1, first.over)
        assert (put(store, beaten, first, edition), known.read(store)) == (11, beaten)
        lifted = Ratios(NOW + 2, frozenset())
        assert (put(store, lifted, beaten, edition), known.read(store)) == (12, lifted)
        assert known.read(store) is known.read(store)


def test_a_machine_that_fails_denies(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of LMDB while campaigns are read shuts the gate, for this question."""
    write(copy, {})

    def fail(*_: object) -> Ratios:
        raise lmdb.Error("gone")

    monkeypatch.setattr(Known, "read", fail)
    with Gate.open(copy, pepper=PEPPER) as gate:
        assert gate.check(CONTROLLER, ALICE, *CALL, campaign="spring").reasons == ("STALE_REPLICA",)
        assert gate.campaigns_as_of() is None
