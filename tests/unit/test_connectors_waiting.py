"""Who waits for an application, in which order, and what a newer change does to an older one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.protocol import Change, Verdict
from connectors.testing import a_change
from connectors.waiting import Entry, Past, Waiting


def change(token: str, version: int, *, reason: str = "OBJECTED", partition: int = 0) -> Change:
    """A change of one contact; its offset is its version."""
    verdict = Verdict("sms", "marketing", "*", allowed=False, reasons=(reason,))
    return a_change(token, version, verdict)._replace(partition=partition)


def test_a_newer_change_takes_the_place_of_one_that_waits() -> None:
    """One entry, the newest version; the older one is settled with it."""
    waiting = Waiting()
    waiting.add(change("a", 1))
    waiting.add(change("a", 2))
    (entry,) = waiting.take(10, now=0)
    assert (entry.change.version, len(waiting)) == (2, 1)
    assert entry.past == [Past(1, 1, entry.change.accepted)]
    assert entry.offsets() == {1, 2}


def test_an_older_change_that_comes_late_does_not_replace_anything() -> None:
    """Neither one that waits nor one in flight; its offset is settled all the same."""
    waiting = Waiting()
    waiting.add(change("a", 5))
    waiting.add(change("a", 4))
    (entry,) = waiting.take(10, now=0)
    waiting.add(change("a", 3))
    assert (entry.change.version, entry.offsets()) == (5, {5, 4, 3})
    assert waiting.take(10, now=0) == []


def test_a_contact_is_never_in_flight_twice() -> None:
    """Its next change waits until the target answered for the one before."""
    waiting = Waiting()
    waiting.add(change("a", 1))
    (first,) = waiting.take(10, now=0)
    waiting.add(change("a", 2))
    assert waiting.take(10, now=0) == []
    assert len(waiting) == 1
    waiting.done(first)
    (second,) = waiting.take(10, now=0)
    assert second.change.version == 2


def test_what_was_refused_joins_what_came_meanwhile() -> None:
    """The newer change replaces it, and carries its offset."""
    waiting = Waiting()
    waiting.add(change("a", 1))
    (entry,) = waiting.take(10, now=0)
    waiting.add(change("a", 2), [90])
    waiting.back(entry, until=99)
    (again,) = waiting.take(10, now=0)
    assert (again.change.version, again.offsets(), again.attempts) == (2, {1, 2, 90}, 0)


def test_restrictions_are_taken_first() -> None:
    """An objection stands before every grant that came earlier; grants keep their order."""
    waiting = Waiting()
    for token in "abc":
        waiting.add(change(token, 1, reason="NO_BASIS"))
    waiting.add(change("z", 1, reason="OBJECTED"))
    waiting.add(change("b", 2, reason="ERASED"))
    assert [entry.change.token for entry in waiting.take(10, now=0)] == ["z", "b", "a", "c"]


def test_who_is_put_off_waits_alone() -> None:
    """Others are taken meanwhile; a newer change of the contact ends the waiting at once."""
    waiting = Waiting()
    waiting.add(change("a", 1))
    waiting.add(change("b", 1))
    first, second = waiting.take(10, now=0)
    waiting.back(first, until=5.0)
    waiting.back(second)
    assert [entry.change.token for entry in waiting.take(10, now=4.9)] == ["b"]
    assert waiting.next_alarm() == 5.0
    assert [entry.change.token for entry in waiting.take(10, now=5.0)] == ["a"]
    waiting.back(first, until=50.0)
    waiting.add(change("a", 2))
    assert [entry.change.version for entry in waiting.take(10, now=6.0)] == [2]


def test_a_lost_partition_is_forgotten_whole() -> None:
    """Waiting, in flight or put off: its next owner reads it again. Others stay."""
    waiting = Waiting()
    for token, partition in (("a", 1), ("b", 1), ("c", 2)):
        waiting.add(change(token, 1, partition=partition))
    flying = waiting.take(1, now=0)[0]
    off = waiting.take(1, now=0)[0]
    waiting.back(off, until=9.0)
    waiting.drop(1)
    assert len(waiting) == 1
    waiting.back(flying)
    waiting.done(off)
    assert [entry.change.token for entry in waiting.take(10, now=10.0)] == ["c"]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "take", "done", "back", "off"])),
        max_size=60,
    )
)
def test_no_offset_is_ever_lost(steps: list[tuple[str, str]]) -> None:
    """Whatever happens, each offset is settled once, and a contact's versions only rise."""
    waiting, flying, settled, sent = Waiting(), [], [], {t: [0] for t in "abc"}
    version = 0
    for now, (token, step) in enumerate(steps):
        if step == "add":
            version += 1
            waiting.add(change(token, version))
        elif step == "take":
            taken = waiting.take(2, now)
            flying += taken
            for entry in taken:
                sent[entry.change.token].append(entry.change.version)
        elif flying:
            entry = flying.pop(0)
            if step == "done":
                waiting.done(entry)
                settled += sorted(entry.offsets())
            else:
                waiting.back(entry, now + 3.0 if step == "off" else None)
    for entry in flying:
        waiting.done(entry)
        settled += sorted(entry.offsets())
    while entries := waiting.take(2, 1e9):
        for entry in entries:
            sent[entry.change.token].append(entry.change.version)
            waiting.done(entry)
            settled += sorted(entry.offsets())
    assert sorted(settled) == list(range(1, version + 1))
    assert all(versions == sorted(versions) for versions in sent.values())
    assert len(waiting) == 0


def test_a_restriction_restricts_until_it_is_confirmed() -> None:
    """Waiting, in flight, put off, or behind its own contact in flight; an allowance never does."""
    waiting = Waiting()
    waiting.add(change("a", 1, reason="NO_BASIS"))
    assert not waiting.restricts()
    waiting.add(change("b", 1))
    assert waiting.restricts()
    entries = waiting.take(10, now=0)
    assert waiting.restricts()
    (grant, objection) = sorted(entries, key=lambda entry: entry.change.token)
    waiting.back(objection, until=99)
    assert waiting.restricts()
    (again,) = waiting.take(10, now=100)
    waiting.done(again)
    assert not waiting.restricts()
    waiting.add(change("a", 2))
    assert waiting.restricts()
    waiting.done(grant)
    (last,) = waiting.take(10, now=100)
    waiting.done(last)
    assert not waiting.restricts()


def test_a_flying_restriction_counts_though_an_allowance_follows() -> None:
    """The target has confirmed neither."""
    waiting = Waiting()
    waiting.add(change("a", 1))
    waiting.take(10, now=0)
    waiting.add(change("a", 2, reason="NO_BASIS"))
    assert waiting.restricts()


def test_a_change_that_comes_is_news_and_was_never_tried() -> None:
    """Until somebody says otherwise."""
    waiting = Waiting()
    waiting.add(change("a", 1))
    (entry,) = waiting.take(10, now=0)
    assert (entry.attempts, entry.again, entry.past, entry.unread) == (0, False, [], [])
    fresh = Entry(change("b", 1))
    assert (fresh.attempts, fresh.again) == (0, False)


def test_who_waits_or_flies_is_known() -> None:
    """For whoever has something old to say of the contact: the queue has the newer word."""
    waiting = Waiting()
    assert "a" not in waiting
    waiting.add(change("a", 1))
    assert "a" in waiting
    assert waiting.flying == 0
    (entry,) = waiting.take(10, now=0)
    assert "a" in waiting
    assert (waiting.flying, len(waiting)) == (1, 1)
    waiting.done(entry)
    assert "a" not in waiting
    assert (waiting.flying, len(waiting)) == (0, 0)


def test_no_more_are_taken_than_asked_for() -> None:
    """A batch is as large as the target takes."""
    waiting = Waiting()
    for token in "abc":
        waiting.add(change(token, 1))
    assert len(waiting.take(2, now=0)) == 2
    assert len(waiting.take(0, now=0)) == 0
    assert len(waiting.take(2, now=0)) == 1


def test_the_same_version_again_is_no_news() -> None:
    """What waits stays as it is, and what flies is not sent twice; the offset is settled."""
    waiting = Waiting()
    waiting.add(change("a", 1))
    waiting.add(change("a", 1)._replace(offset=7))
    (entry,) = waiting.take(10, now=0)
    assert (entry.change.offset, entry.offsets()) == (1, {1, 7})
    waiting.add(change("a", 1)._replace(offset=8), [3])
    assert entry.offsets() == {1, 3, 7, 8}
    waiting.done(entry)
    assert waiting.take(10, now=0) == []


@pytest.mark.parametrize(
    "first, second, again", [(True, True, True), (True, False, False), (False, True, False)]
)
def test_what_was_told_before_is_no_news_until_there_is_some(
    first: bool, second: bool, again: bool
) -> None:
    """Of a repeat and a new change of a contact together, the contact has news."""
    waiting = Waiting()
    waiting.add(change("a", 1), again=first)
    waiting.add(change("a", 2), again=second)
    (entry,) = waiting.take(10, now=0)
    assert entry.again is again
    flown = Waiting()
    flown.add(change("a", 1), again=first)
    (entry,) = flown.take(10, now=0)
    assert entry.again is first
    flown.add(change("a", 2), again=second)
    flown.back(entry)
    (entry,) = flown.take(10, now=0)
    assert entry.again is again


def test_a_newer_verdict_begins_its_tries_anew() -> None:
    """What was put off for long is offered at once, and put off shortly if it fails."""
    waiting = Waiting()
    waiting.add(change("a", 1))
    (entry,) = waiting.take(10, now=0)
    entry.attempts = 9
    waiting.back(entry, until=99)
    assert waiting.take(10, now=1) == []
    waiting.add(change("a", 2))
    (entry,) = waiting.take(10, now=1)
    assert entry.attempts == 0


def test_what_a_newer_change_replaced_in_flight_is_carried_on() -> None:
    """Two changes came while it was in flight; both, and what they replaced, go with it."""
    waiting = Waiting()
    waiting.add(change("a", 1))
    (entry,) = waiting.take(10, now=0)
    waiting.add(change("a", 2), [20])
    waiting.add(change("a", 3), [30])
    waiting.back(entry)
    (entry,) = waiting.take(10, now=0)
    assert entry.offsets() == {1, 2, 3, 20, 30}
    assert {past.version for past in entry.past} == {1, 2}


def test_the_oldest_is_the_one_that_waits_longest() -> None:
    """In flight or not, with what it replaced; who was told before has not waited since then."""
    waiting = Waiting()
    assert waiting.oldest() is None
    waiting.add(change("a", 1)._replace(accepted=50))
    waiting.add(change("b", 1)._replace(accepted=10), again=True)
    assert waiting.oldest() == 50
    waiting.add(change("c", 1)._replace(accepted=40))
    waiting.add(change("c", 2)._replace(accepted=60))
    assert waiting.oldest() == 40
    waiting.take(10, now=0)
    assert waiting.oldest() == 40


def test_a_lost_partition_leaves_nothing_to_trip_over() -> None:
    """Not in a queue, nor put off: the contact that comes back is offered at once."""
    waiting = Waiting()
    waiting.add(change("a", 1))
    waiting.add(change("g", 1, reason="NO_BASIS"))
    waiting.drop(0)
    assert waiting.take(10, now=0) == []
    waiting.add(change("a", 1))
    (entry,) = waiting.take(10, now=0)
    waiting.back(entry, until=9.0)
    waiting.drop(0)
    waiting.add(change("a", 2))
    assert [entry.change.version for entry in waiting.take(10, now=1.0)] == [2]


def test_one_restriction_among_allowances_is_urgent() -> None:
    """Whoever loses one channel loses it before anybody is granted anything."""
    grant = Verdict("email", "marketing", "*", allowed=True)
    denial = Verdict("sms", "marketing", "*", allowed=False, reasons=("OBJECTED",))
    waiting = Waiting()
    waiting.add(a_change("first", 1, grant))
    waiting.add(a_change("mixed", 1, grant, denial))
    assert [entry.change.token for entry in waiting.take(10, now=0)] == ["mixed", "first"]
