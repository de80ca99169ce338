"""Tests for the test: each thing that can be wrong is found, and only that; the right passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.checked import consent, event, healthy
from tests.support.checker import (
    Aligned,
    Bounds,
    Category,
    Counted,
    Decided,
    Digest,
    Fact,
    Held,
    History,
    Kind,
    Logged,
    Op,
    Pair,
    Published,
    Receipt,
    Recorder,
    Restored,
    Told,
    check,
    fact_of,
    read,
    write,
)
from tests.support.mutations import MUTATIONS

SMS: Final[Pair] = ("sms", "marketing", "*")
YES: Final = frozenset({SMS})
NO: Final[frozenset[Pair]] = frozenset()
#: A consent at 10 s, an objection at 20 s; who was told of them, when.
REACH: Final = frozenset({"sms", "mms"})


def logged(at: int, said: Mapping[str, Any], time: int | None = None) -> Logged:
    """A record about Anna's telephone, accepted at `at` ms."""
    fact = fact_of(said, at if time is None else time, at, "anna")._replace(reach=REACH)
    return Logged("noli.objections" if fact.denies else "noli.grants", 0, at, at, fact)


GIVEN: Final = logged(10_000, consent(1, "sms"))
DENIED: Final = logged(20_000, event(2, "objection.raised"))
AGAIN: Final = logged(30_000, consent(3, "sms"))
OLD: Final = logged(30_000, consent(3, "sms"), 5_000)
#: A person, Anna's telephone being hers, and her objection to everything.
LINKED: Final = Logged(
    "noli.parties", 0, 1, 15_000, Fact("/t|8", Kind.LINK, 15_000, 15_000, "anna", "crm:1")
)
PERSON: Final = Logged(
    "noli.parties", 0, 2, 20_000, Fact("/t|9", Kind.DENIAL, 20_000, 20_000, None, "crm:1")
)
TOLD_YES: Final = Told("crm", 10_100, "anna", 1, YES)
TOLD_NO: Final = Told("crm", 20_100, "anna", 2, NO, YES)
TOLD_AGAIN: Final = Told("crm", 30_100, "anna", 3, YES)


def sent(op: Any, event_id: str, t: int = 0, **value: Any) -> Op:  # noqa: ANN401 - JSON
    """A line of a sender."""
    return Op(op, "sender-0", t, "submit", {"event": event_id, **value})


def asked(op: Any, t: int, **value: Any) -> Op:  # noqa: ANN401 - JSON
    """A line of an asker about Anna."""
    return Op(op, "asker", t, "ask", {"contact": "anna", "pair": list(SMS), **value})


def log(*records: Logged, **over: Any) -> History:  # noqa: ANN401 - fields of a history
    """A history of those records, and more."""
    return History(log=list(records), **over)


class Twins(NamedTuple):
    """A history with exactly one fault, and what it would be without."""

    faulty: History
    right: History


TWINS: Final[Mapping[str, tuple[Category, Twins]]] = {
    "an acknowledged event is not in the log": (Category.LOST, Twins(
        log(GIVEN, ops=[sent("invoke", "/t|1"), sent("ok", "/t|1"),
                        sent("invoke", "/t|2"), sent("ok", "/t|2")]),
        log(GIVEN, ops=[sent("invoke", "/t|1"), sent("ok", "/t|1"),
                        sent("invoke", "/t|2"), sent("info", "/t|2")]),
    )),
    "a receipt names another place": (Category.LOST, Twins(
        log(GIVEN, ops=[sent("invoke", "/t|1"), sent("ok", "/t|1", receipt="noli.grants:0:9")]),
        log(GIVEN, ops=[sent("invoke", "/t|1"), sent("ok", "/t|1", receipt="noli.grants:0:10000")]),
    )),
    "what was refused is in the log": (Category.GHOST, Twins(
        log(GIVEN, ops=[sent("invoke", "/t|1"), sent("fail", "/t|1")]),
        log(GIVEN, ops=[sent("invoke", "/t|1"), sent("info", "/t|1")]),
    )),
    "nobody sent it": (Category.GHOST, Twins(
        log(GIVEN, DENIED, ops=[sent("invoke", "/t|1"), sent("ok", "/t|1")]),
        log(GIVEN, DENIED, ops=[sent("invoke", "/t|1"), sent("ok", "/t|1"),
                                sent("invoke", "/t|2")]),
    )),
    "allowed on no basis": (Category.GHOST, Twins(
        log(DENIED, arrivals=[TOLD_AGAIN._replace(at=10_000)]),
        log(GIVEN, DENIED, arrivals=[TOLD_AGAIN._replace(at=10_000)]),
    )),
    "a version that nobody decided": (Category.GHOST, Twins(
        log(GIVEN, decided=[Decided(0, 0, 10_050, 1, "anna", 1, YES)],
            arrivals=[TOLD_YES._replace(version=4)]),
        log(GIVEN, decided=[Decided(0, 0, 10_050, 1, "anna", 1, YES)], arrivals=[TOLD_YES]),
    )),
    "one event, two meanings": (Category.FORKED, Twins(
        log(GIVEN, logged(10_001, consent(1, "mms"))),
        log(GIVEN, logged(11_000, consent(1, "sms"))),
    )),
    "one version, two meanings": (Category.FORKED, Twins(
        log(GIVEN, arrivals=[TOLD_YES, TOLD_YES._replace(at=10_200, allowed=NO)]),
        log(GIVEN, arrivals=[TOLD_YES, TOLD_YES._replace(at=10_200)]),
    )),
    "an older version is taken": (Category.NONMONOTONIC, Twins(
        log(GIVEN, DENIED, AGAIN, arrivals=[TOLD_AGAIN, TOLD_YES._replace(at=30_200)]),
        log(GIVEN, DENIED, AGAIN, arrivals=[TOLD_AGAIN, TOLD_YES._replace(at=30_200, taken=False)]),
    )),
    "a watermark goes back": (Category.NONMONOTONIC, Twins(
        log(aligned=[Aligned("crm", 9, 8), Aligned("crm", 10, 7)]),
        log(aligned=[Aligned("crm", 9, 8), Aligned("crm", 10, 7, ("quarantine",))]),
    )),
    "an old consent lifts": (Category.LIFTED, Twins(
        log(GIVEN, DENIED, OLD, arrivals=[TOLD_YES, TOLD_NO, TOLD_AGAIN]),
        log(GIVEN, DENIED, AGAIN, arrivals=[TOLD_YES, TOLD_NO, TOLD_AGAIN]),
    )),
    "a consent of the very moment lifts": (Category.LIFTED, Twins(
        log(GIVEN, DENIED, logged(20_000, consent(3, "sms")), arrivals=[TOLD_NO, TOLD_AGAIN]),
        log(GIVEN, DENIED, AGAIN, arrivals=[TOLD_NO, TOLD_AGAIN]),
    )),
    "decided for the objection, then lifted before the consent": (Category.LIFTED, Twins(
        log(GIVEN, DENIED, AGAIN, decided=[
            Decided(0, 0, 20_010, 1, "anna", 1, NO, NO, 20_000),
            Decided(0, 1, 20_020, 1, "anna", 2, YES),
            Decided(0, 2, 30_020, 1, "anna", 3, YES)]),
        log(GIVEN, DENIED, AGAIN, decided=[
            Decided(0, 0, 20_010, 1, "anna", 1, YES, NO, 10_000),
            Decided(0, 1, 20_020, 1, "anna", 2, NO, NO, 20_000),
            Decided(0, 2, 30_020, 1, "anna", 3, YES)]),
    )),
    "an objection never got there": (Category.UNSEEN, Twins(
        log(GIVEN, DENIED, dumps={"crm": {"anna": Held(1, YES)}}),
        log(GIVEN, DENIED, dumps={"crm": {"anna": Held(2, NO)}}),
    )),
    "a consent never got there": (Category.WITHHELD, Twins(
        log(GIVEN, dumps={"crm": {}}),
        log(GIVEN, dumps={"crm": {"anna": Held(1, YES)}}),
    )),
    "a receipt before it is applied": (Category.UNAPPLIED, Twins(
        log(GIVEN, arrivals=[TOLD_YES], receipts=[Receipt("crm", 10_050, "anna", 1, "applied")]),
        log(GIVEN, arrivals=[TOLD_YES], receipts=[Receipt("crm", 10_150, "anna", 1, "applied")]),
    )),
    "aligned as of after what is missing": (Category.LYING, Twins(
        log(GIVEN, DENIED, arrivals=[TOLD_YES], aligned=[Aligned("crm", 21_000, 20_001)]),
        log(GIVEN, DENIED, arrivals=[TOLD_YES], aligned=[Aligned("crm", 21_000, 20_000)]),
    )),
    "published as aligned after what is missing": (Category.LYING, Twins(
        log(GIVEN, DENIED, arrivals=[TOLD_YES], published=[Published("*", 21_000, 20_001)]),
        log(GIVEN, DENIED, arrivals=[TOLD_YES], published=[Published("*", 21_000, 20_000)]),
    )),
    "published as aligned after what a person said": (Category.LYING, Twins(
        log(GIVEN, LINKED, PERSON, arrivals=[TOLD_YES],
            published=[Published("crm", 21_000, 20_001)]),
        log(GIVEN, LINKED, PERSON, arrivals=[TOLD_YES], aligned=[Aligned("crm", 21_000, 20_001)]),
    )),
    "an answer as of after what it allows": (Category.LYING, Twins(
        log(GIVEN, DENIED, ops=[asked("invoke", 20_500), asked("ok", 20_501, allowed=True,
                                                               as_of=20_400)]),
        log(GIVEN, DENIED, ops=[asked("invoke", 20_500), asked("ok", 20_501, allowed=True,
                                                               as_of=19_000)]),
    )),
    "an answer from beyond the lease": (Category.STALE, Twins(
        log(GIVEN, DENIED, ops=[asked("invoke", 30_001), asked("ok", 30_002, allowed=True)]),
        log(GIVEN, DENIED, ops=[asked("invoke", 29_999), asked("ok", 30_002, allowed=True)]),
    )),
    "a replica goes back": (Category.NONMONOTONIC, Twins(
        log(GIVEN, ops=[asked("invoke", 1), asked("ok", 2, allowed=False, version=2),
                        asked("invoke", 3), asked("ok", 4, allowed=False, version=1)]),
        log(GIVEN, ops=[asked("invoke", 1), asked("ok", 2, allowed=False, version=1),
                        asked("invoke", 3), asked("ok", 4, allowed=False, version=2)]),
    )),
    "behind at rest": (Category.UNSETTLED, Twins(
        log(GIVEN, decided=[Decided(0, 0, 10_050, 1, "anna", 2, YES)],
            dumps={"crm": {"anna": Held(1, YES)}}),
        log(GIVEN, decided=[Decided(0, 0, 10_050, 1, "anna", 2, YES)],
            dumps={"crm": {"anna": Held(2, YES)}}),
    )),
    "in flight at rest": (Category.UNSETTLED, Twins(
        log(counts=[Counted("crm", 5, 2, 2, 1, 0)]), log(counts=[Counted("crm", 5, 2, 2, 0, 1)]),
    )),
    "in no book": (Category.UNBALANCED, Twins(
        log(counts=[Counted("crm", 5, 2, 2, 0, 0)]), log(counts=[Counted("crm", 5, 2, 2, 0, 1)]),
    )),
    "two states": (Category.DIVERGED, Twins(
        log(digests=[Digest("state and fold", "a", "b")]),
        log(digests=[Digest("state and fold", "a", "a")]),
    )),
    "a late owner's record stands last": (Category.OVERWRITTEN, Twins(
        log(GIVEN, decided=[Decided(0, 0, 1, 2), Decided(0, 1, 10_050, 2, "anna", 2, YES),
                            Decided(0, 2, 10_060, 1, "anna", 1, NO)]),
        log(GIVEN, decided=[Decided(0, 0, 1, 2), Decided(0, 1, 10_050, 1, "anna", 1, NO),
                            Decided(0, 2, 10_060, 2, "anna", 2, YES)]),
    )),
}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_each_fault_is_found_for_what_it_is(name: str) -> None:
    """The history with one fault gives that category and no other, with a witness to print."""
    category, twins = TWINS[name]
    report = check(twins.faulty)
    assert set(report.categories) == {category}, str(report)
    assert category.value in str(report)
    assert all(finding.witness for finding in report.findings)


@pytest.mark.parametrize("name", TWINS)
def test_its_healthy_twin_passes(name: str) -> None:
    """The same history without the fault gives nothing."""
    report = check(TWINS[name][1].right)
    assert report.findings == [], str(report)


def test_every_category_has_its_twins_and_its_mutation() -> None:
    """No category is without a history that shows it."""
    assert {category for category, _ in TWINS.values()} == set(Category)
    assert set(MUTATIONS) == set(Category)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_what_a_right_system_leaves_passes(seed: int) -> None:
    """Retries, duplicates, late events, outages and backups put back are no faults."""
    report = check(healthy(seed))
    assert report.findings == [], str(report)
    assert min(report.checked[what] for what in ("denials", "arrivals", "watermarks")) > 0


@pytest.mark.parametrize("category", MUTATIONS)
def test_one_thing_gone_wrong_is_found(category: Category) -> None:
    """Wherever in a long history one fault is put, it is found, and for what it is."""
    found = 0
    for seed in range(25):
        broken = list(MUTATIONS[category](healthy(seed)))
        for history in Random(seed).sample(broken, min(2, len(broken))):
            report = check(history)
            assert category in report.categories, f"seed {seed}: {report}"
            found += 1
    assert found > 5, "too few histories to break"


def test_a_backup_put_back_is_no_regression() -> None:
    """An application may forget what it was told after a backup, and is told again."""
    restored: list[Told | Restored] = [TOLD_YES, TOLD_NO, Restored("crm", 21_000, 15_000)]
    healed = TOLD_NO._replace(at=22_000)
    aligned = [Aligned("crm", 21_500, 21_400)]
    right = log(GIVEN, DENIED, arrivals=[*restored, healed], aligned=aligned)
    assert check(right).findings == []
    never = replace(right, arrivals=restored, dumps={"crm": {"anna": Held(1, YES)}})
    assert set(check(never).categories) == {Category.UNSEEN}


def test_clocks_may_be_apart_by_the_skew() -> None:
    """A receipt with a clock behind is no fault within the bound, and is one beyond it."""
    receipts = [Receipt("crm", 10_050, "anna", 1, "applied")]
    history = log(GIVEN, arrivals=[TOLD_YES], receipts=receipts)
    assert check(history, Bounds(skew_ms=50)).findings == []
    assert set(check(history, Bounds(skew_ms=49)).categories) == {Category.UNAPPLIED}


def test_a_history_that_is_none_is_refused() -> None:
    """Two operations at once in one process, or an end without a beginning, are no history."""
    with pytest.raises(ValueError, match="before the end"):
        check(log(ops=[sent("invoke", "/t|1"), sent("invoke", "/t|2")]))
    with pytest.raises(ValueError, match="never began"):
        check(log(ops=[sent("ok", "/t|1")]))


def test_a_history_is_kept_whole(tmp_path: Path) -> None:
    """What is written is read again equal, dumps and facts included."""
    history = healthy(3)
    write(history, tmp_path / "run.jsonl")
    assert read(tmp_path / "run.jsonl") == history


def test_operations_are_noted_as_they_happen(tmp_path: Path) -> None:
    """Left without an answer an operation is `info`: nobody knows; also where it raised."""
    clock = iter(range(10, 100))
    recorder = Recorder(tmp_path / "ops.jsonl", lambda: next(clock))
    with recorder.operation("sender-0", "submit", event="/t|1") as op:
        op.ok(receipt="noli.grants:0:0")
    with pytest.raises(OSError, match="reset"), recorder.operation("s", "submit", event="/t|2"):
        raise OSError("reset")
    recorder.close()
    assert read(tmp_path / "ops.jsonl").ops == [
        sent("invoke", "/t|1", 10),
        sent("ok", "/t|1", 11, receipt="noli.grants:0:0"),
        Op("invoke", "s", 12, "submit", {"event": "/t|2"}),
        Op("info", "s", 13, "submit", {"event": "/t|2"}),
    ]
