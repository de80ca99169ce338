"""The book of one application's canaries: what counts as confirmed, late, lost, and only once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noli.canary import probe as book
from noli.canary.listening import starts
from noli.canary.probe import LATE_MS, LOST_MS, NEWCOMER_MS, End, Flight, Missing, Probe
from tests.support.decisions import CODEC

T0 = 1_790_000_000_000
TOKEN, OTHER = b"\x01" + bytes(16), b"\x01" + bytes(15) + b"\x02"
#: An application that has been here for long.
LONG_AGO = 0


def flight(at: int = T0, token: bytes = TOKEN, *, objects: bool = True) -> Flight:
    """A post, accepted 3 ms after it was offered."""
    return Flight(token, objects, at, at + 3)


def receipt(at: int, accepted: int, outcome: str = "applied", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """A receipt of one change, as decoded."""
    change = {"token": TOKEN, "version": accepted, "offset": 1, "accepted": accepted}
    return {"at": at, "changes": [{**change, "outcome": outcome, "reason": None, **more}]}


def told(probe: Probe, offset: int, said: dict[str, Any]) -> Probe:
    """The probe after a receipt at an offset of partition 3."""
    return probe.received(said, (3, offset))[0]


def counts(probe: Probe) -> tuple[int, int, int, int]:
    """Sent, confirmed, lost, late."""
    return probe.sent, probe.confirmed, probe.lost, probe.late


def test_a_canary_is_confirmed_by_the_application_and_the_lookup_only_together() -> None:
    """Either alone leaves it under way; the later of the two is when it arrived."""
    one = flight()
    airborne = Probe("crm").launched(one)
    assert (airborne.phase, counts(airborne)) == ("objecting", (1, 0, 0, 0))
    applied = told(airborne, 7, receipt(T0 + 90, one.accepted))
    seen = airborne.seen(TOKEN, one.accepted, T0 + 140)
    for half in (applied, seen):
        assert half.settled(T0 + 200, LONG_AGO) == (half, [])
    both, ends = applied.seen(TOKEN, one.accepted, T0 + 140).settled(T0 + 200, LONG_AGO)
    assert [(end.took, end.missing) for end in ends] == [(0.14, None)]
    assert (both.phase, counts(both)) == ("objected", (1, 1, 0, 0))
    assert (both.last_ok, both.last_ms, both.flying) == (T0 + 140, 137, ())


@pytest.mark.parametrize(
    "took, wanted",
    [
        (LATE_MS, (1, 1, 0, 0)),
        (LATE_MS + 1, (1, 1, 0, 1)),
        (LOST_MS, (1, 1, 0, 1)),
        (LOST_MS + 1, (1, 0, 1, 0)),
    ],
)
def test_the_bounds_of_late_and_lost(took: int, wanted: tuple[int, int, int, int]) -> None:
    """Later than 5 s is late, later than 20 s is lost, also where it arrives after all."""
    one = flight()
    arrived = told(Probe("crm").launched(one), 7, receipt(T0 + took, one.accepted))
    ended, _ = arrived.seen(TOKEN, one.accepted, T0 + 5).settled(T0 + took, LONG_AGO)
    assert counts(ended) == wanted


def test_what_a_lost_canary_lacked_is_told() -> None:
    """Nothing applied, nothing seen, not even taken: the part of the way to look at."""
    one = flight()
    airborne = Probe("crm").launched(one)
    applied = told(airborne, 7, receipt(T0 + 90, one.accepted))
    too_late = T0 + LOST_MS + 1
    for lost, missing in ((airborne, Missing.RECEIPT), (applied, Missing.LOOKUP)):
        assert lost.settled(too_late - 1, LONG_AGO)[0].lost == 0
        ended, ends = lost.settled(too_late, LONG_AGO)
        assert (ended.phase, ended.missing, ended.flying) == ("lost", missing, ())
        assert ends == [End(lost.flying[0], None, missing)]
    refused, end = Probe("crm").refused(TOKEN)
    assert (end.missing, counts(refused)) == (Missing.INTAKE, (1, 0, 1, 0))


def test_a_receipt_may_be_read_before_the_intake_has_answered() -> None:
    """An application can be faster than the answer of the intake: its word is remembered."""
    one = flight()
    ended, _ = (
        told(Probe("crm"), 7, receipt(T0 + 2, one.accepted))
        .launched(one)
        .seen(TOKEN, one.accepted, T0 + 9)
        .settled(T0 + 10, LONG_AGO)
    )
    assert counts(ended) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    "said",
    [
        receipt(T0 + 9, T0 + 2),
        receipt(T0 + 9, T0 + 3, "rejected"),
        receipt(T0 + 9, T0 + 3, "received"),
        receipt(T0 + 9, T0 + 3, "unknown"),
        receipt(T0 + 9, T0 + 3, token=OTHER),
    ],
    ids=["an older change", "rejected", "only received", "a newer symbol", "another contact"],
)
def test_what_does_not_confirm(said: dict[str, Any]) -> None:
    """Only the word that this change, or a newer one of its contact, stands in the application."""
    assert told(Probe("crm").launched(flight()), 7, said).flying[0].applied is None


def test_a_newer_change_stands_for_the_older_ones() -> None:
    """An application that was busy for some seconds takes the last of several posts."""
    probe = Probe("crm")
    for n in range(3):
        one = flight(T0 + 1_000 * n, objects=n % 2 == 0)
        probe = probe.launched(one).seen(TOKEN, one.accepted, one.accepted + 20)
    probe = told(probe, 7, receipt(T0 + 4_000, T0 + 2_003))
    ended, ends = probe.settled(T0 + 4_100, LONG_AGO)
    assert [end.took for end in ends] == [4.0, 3.0, 2.0]
    assert (ended.phase, counts(ended)) == ("objected", (3, 3, 0, 0))


def test_a_lie_is_lost_once() -> None:
    """Confirmed, then read back and found otherwise: one loss for each version, however often."""
    one = flight()
    probe = told(Probe("crm").launched(one), 7, receipt(T0 + 9, one.accepted))
    probe, _ = probe.seen(TOKEN, one.accepted, T0 + 9).settled(T0 + 10, LONG_AGO)
    drifted = receipt(T0 + 15_000, one.accepted, "drifted")
    probe, ends = probe.received(drifted, (3, 8))
    assert (counts(probe), ends[0].missing) == ((1, 1, 1, 0), Missing.READ_BACK)
    again, none = probe.received(drifted, (3, 9))
    assert (counts(again), none) == ((1, 1, 1, 0), [])


def test_a_paused_application_loses_nothing() -> None:
    """What was under way when it was paused or removed is neither lost nor confirmed."""
    grounded = Probe("crm").launched(flight()).grounded()
    assert counts(grounded.settled(T0 + 2 * LOST_MS, LONG_AGO)[0]) == (1, 0, 0, 0)


def test_an_application_new_here_may_first_read_what_was_decided_before() -> None:
    """Nothing is lost until its first canary came home, at most for five minutes."""
    since, late = T0 - 1_000, T0 + LOST_MS + 1
    airborne = Probe("crm").launched(flight())
    assert counts(airborne.settled(late, since)[0]) == (1, 0, 0, 0)
    assert counts(replace(airborne, last_ok=since - 1).settled(late, since)[0]) == (1, 0, 0, 0)
    assert counts(replace(airborne, last_ok=since + 1).settled(late, since)[0]) == (1, 0, 1, 0)
    assert counts(airborne.settled(late, late - NEWCOMER_MS)[0]) == (1, 0, 1, 0)


def test_a_prober_that_starts_goes_on_where_the_one_before_it_was_killed() -> None:
    """By the record: the flight is confirmed by the receipt it missed, and by no receipt twice."""
    one, before = flight(), receipt(T0 - 900, T0 - 997)
    probe = told(Probe("crm", sent=5, confirmed=5), 6, before).launched(one)
    name, datum = CODEC.decode(CODEC.encode("noli.Canary", book.record(probe, T0 + 20)))
    assert name == "noli.Canary"
    again = book.recalled(datum)
    assert starts([again, Probe("other", origin=(3, 1))]) == {3: 7}
    assert told(again, 6, before) == again  # counted before
    ended, ends = told(again, 7, receipt(T0 + 60, one.accepted)).settled(T0 + 90_000, LONG_AGO)
    assert (counts(ended), ends[0].took) == ((6, 6, 0, 0), 0.06)
    assert counts(told(ended, 7, receipt(T0 + 60, one.accepted))) == (6, 6, 0, 0)


#: One thing that happens: how many ms later, and what.
STEPS = st.lists(
    st.tuples(
        st.integers(1, 9_000), st.sampled_from(["post", "apply", "see", "pass", "drift", "kill"])
    ),
    max_size=40,
)


@given(STEPS)
def test_every_canary_has_one_end_whatever_happens_when(
    steps: list[tuple[int, str]],
) -> None:
    """Sent is confirmed, lost and under way together, but for lies; killed or not, that is so."""
    probe, now, lies, offset = Probe("crm"), T0, 0, 0
    for later, what in steps:
        now += later
        last = probe.flying[-1] if probe.flying else None
        accepted = last.accepted if last else now
        if what == "post":
            probe = probe.launched(flight(now))
        elif what == "see" and last:
            probe = probe.seen(TOKEN, accepted, now)
        elif what in {"apply", "drift"}:
            outcome = "applied" if what == "apply" else "drifted"
            probe, ends = probe.received(receipt(now, accepted, outcome), (3, offset))
            lies, offset = lies + len(ends), offset + 1
        elif what == "kill":
            probe = book.recalled(book.record(probe, now))
        probe, _ = probe.settled(now, LONG_AGO)
        assert probe.sent == probe.confirmed + probe.lost - lies + len(probe.flying)
        assert all(now - one.sent <= LOST_MS for one in probe.flying)
