"""The runner on a real broker: order, repetition, receipts, alignment, and what it must not do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest
from confluent_kafka import Consumer, TopicPartition

from connectors import runner
from connectors.inlet import Mark
from connectors.protocol import Applied, Change, Reject, Result, Retry, Traits
from connectors.runner import BrokenSink
from noli.runtime.kafka import consumer_config
from tests.support.connector import APP, Lab
from tests.support.decisions import now, row, rows, token
from tests.support.stack import Stack
from tests.support.targets import Target

#: Where the first decision stands: behind the claim.
DECISION: Final = 1


@pytest.fixture
def lab(stack: Stack) -> Lab:
    """A lab with one partition."""
    return Lab(stack)


def versions(changes: Sequence[Change], number: int) -> list[int]:
    """Versions of one contact, in order."""
    return [change.version for change in changes if change.token == token(number).hex()]


async def test_a_decision_is_applied_receipted_and_committed(lab: Lab) -> None:
    """Applied once; the receipt says when and how far; the committed offset is the frontier."""
    target = Target()
    as_of = now()
    lab.desk.claim(3).decide(1, 7, accepted=as_of).beacon(as_of).send()
    async with lab.runner(target):
        receipt = await lab.frontier(3)
    assert [(c.version, c.contact and c.contact.value) for c in target.applied] == [
        (7, "+393330000001")
    ]
    told = (await lab.changes(1))[0]
    assert (told["token"], told["version"], told["offset"]) == (token(1), 7, 1)
    assert (told["accepted"], told["outcome"], told["reason"]) == (as_of, "applied", None)
    assert (receipt["app"], receipt["worker"], receipt["partition"]) == (APP, "connectors-crm", 0)
    assert receipt["as_of"] == as_of
    assert lab.committed() == (3, Mark(epoch=3, as_of=as_of))


async def test_what_the_log_holds_already_collapses_before_anything_is_sent(lab: Lab) -> None:
    """A start sends the newest verdict of a contact only: an old grant is not sent ahead of it."""
    target = Target()
    lab.desk.claim(1)
    for version in range(1, 5):
        lab.desk.decide(1, version)
    for number in range(1_000, 2_000):  # more than one read takes
        lab.desk.decide(number, 1)
    lab.desk.decide(1, 5).send()
    async with lab.runner(target):
        told = await lab.changes(1_005)
    assert versions(target.applied, 1) == [5]
    outcomes = {c["version"]: c["outcome"] for c in told if c["token"] == token(1)}
    assert outcomes == dict.fromkeys(range(1, 5), "superseded") | {5: "applied"}
    assert lab.committed()[0] == 1_006


async def test_more_than_fits_into_memory_is_taken_in_parts(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading pauses while too much waits, and goes on; a first start always comes to its end."""
    monkeypatch.setattr(runner, "MOST_OPEN", 300)
    target = Target()
    lab.desk.claim(1)
    for number in range(2_000):
        lab.desk.decide(number, 1)
    lab.desk.send()
    async with lab.runner(target):
        await lab.frontier(2_001)
    assert len({change.token for change in target.applied}) == 2_000


async def test_the_newest_verdict_replaces_those_that_wait(lab: Lab) -> None:
    """While a contact is in flight its changes collapse; it is never in flight twice."""
    target = Target(Traits(in_flight=2))
    target.open.clear()
    lab.desk.claim(1).decide(1, 1).send()
    async with lab.runner(target):
        await target.until(lambda t: len(t.offered) == 1)
        lab.desk.decide(1, 2).decide(1, 3).decide(2, 1).send()
        await target.until(lambda t: len(t.offered) == 2)
        assert versions(target.offered[1], 1) == []
        target.open.set()
        told = await lab.changes(4)
    assert versions(target.applied, 1) == [1, 3]
    outcomes = {c["version"]: c["outcome"] for c in told if c["token"] == token(1)}
    assert outcomes == {1: "applied", 2: "superseded", 3: "applied"}


async def test_restrictions_go_before_grants(lab: Lab) -> None:
    """An objection that waits behind many grants is offered first."""
    target = Target(Traits(batch=10))
    lab.desk.claim(1)
    for number in range(100):
        lab.desk.decide(number, 1, rows=rows(["sms"], reasons=["NO_BASIS"]))
    lab.desk.decide(1000, 1).send()
    async with lab.runner(target):
        await lab.changes(101)
    assert versions(target.offered[0], 1000) == [1]


async def test_a_stale_owner_is_not_believed(lab: Lab) -> None:
    """A record of a lower epoch than a claim before it is ignored, beacons too, restarts too."""
    target, future = Target(), now() + 1_000_000
    lab.desk.claim(5).decide(1, 1).send()
    async with lab.runner(target):
        await lab.frontier(2)
    assert lab.committed()[1].epoch == 5
    allowed = rows(["sms"])
    lab.desk.decide(1, 9, epoch=4, rows=allowed).beacon(future, epoch=4).decide(2, 1).send()
    async with lab.runner(target):
        receipt = await lab.frontier(5)
    assert versions(target.applied, 1) == [1]
    assert versions(target.applied, 2) == [1]
    assert receipt["as_of"] is None


async def test_a_failing_target_is_asked_until_it_takes_it(lab: Lab) -> None:
    """Nothing is dropped; the offset waits; the order of a contact holds."""
    target, refusals = Target(), iter(range(4))

    def answer(changes: Sequence[Change]) -> Sequence[Result]:
        if next(refusals, None) is not None:
            raise Retry("down")
        return [Applied()] * len(changes)

    target.answer = answer
    lab.desk.claim(1).decide(1, 1).send()
    async with lab.runner(target):
        await target.until(lambda t: len(t.offered) >= 2)
        assert lab.committed()[0] <= 1
        lab.desk.decide(1, 2).send()
        await lab.frontier(3)
    assert versions(target.applied, 1) in ([1, 2], [2])
    assert lab.committed()[0] == 3


def choking_on(bad: str) -> Target:
    """A target that takes no batch with this contact in it."""
    target = Target()

    def answer(changes: Sequence[Change]) -> Sequence[Result]:
        if any(change.token == bad for change in changes):
            raise Retry("indigestible")
        return [Applied()] * len(changes)

    target.answer = answer
    return target


async def test_a_contact_the_target_cannot_digest_holds_nobody_else_back(lab: Lab) -> None:
    """The others are applied; alignment and offset stay below the one that is not."""
    bad = token(7).hex()
    target = choking_on(bad)
    first, second = now(), now() + 1
    lab.desk.claim(1).decide(1, 1).beacon(first)
    for number in range(2, 40):
        lab.desk.decide(number, 1)
    lab.desk.beacon(second).send()
    async with lab.runner(target) as running:
        await target.until(lambda t: len(t.applied) == 38)
        receipt = await lab.frontier(8)
        assert running.ready()[0]
    assert bad not in {change.token for change in target.applied}
    assert (receipt["frontier"], receipt["as_of"]) == (8, first)
    assert lab.committed() == (8, Mark(1, first))


async def test_a_contact_that_is_refused_is_asked_less_and_less(lab: Lab) -> None:
    """Its own pause grows: it does not slow down everybody else's changes for ever."""
    bad = token(7).hex()
    target = choking_on(bad)
    lab.desk.claim(1).decide(7, 1).send()
    async with lab.runner(target):
        for number in range(100, 140):
            lab.desk.decide(number, 1).send()
            await target.until(lambda t, n=number: bool(versions(t.applied, n)))  # type: ignore[misc]
    asked = sum(any(change.token == bad for change in batch) for batch in target.offered)
    assert 2 <= asked < 20


async def test_partial_answers_are_settled_one_by_one(lab: Lab) -> None:
    """Of one batch: applied, rejected with its reason, and asked again."""
    target, later = Target(), iter([Retry("not yet")])

    def answer(changes: Sequence[Change]) -> Sequence[Result]:
        by_token: dict[str, Result] = {
            token(2).hex(): Reject("no_such_field"),
            token(3).hex(): next(later, Applied()),
        }
        return [by_token.get(change.token, Applied("rounded")) for change in changes]

    target.answer = answer
    lab.desk.claim(1).decide(1, 1).decide(2, 1).decide(3, 1).send()
    async with lab.runner(target):
        told = await lab.changes(3)
        await lab.frontier(4)
    assert [(c["token"], c["outcome"], c["reason"]) for c in told] == [
        (token(1), "applied", "rounded"),
        (token(2), "rejected", "no_such_field"),
        (token(3), "applied", None),
    ]


async def test_a_contact_without_its_value_is_rejected_where_the_target_needs_it(lab: Lab) -> None:
    """The receipt says so, and the target is not asked; a target that knows tokens is."""
    needs, knows = Target(Traits(needs_contact=True)), Target()
    lab.desk.claim(1).decide(1, 1, contact=None).decide(2, 1).send()
    async with lab.runner(needs):
        told = await lab.changes(2)
    assert [(c["outcome"], c["reason"]) for c in told] == [
        ("rejected", "contact_unknown_to_target"),
        ("applied", None),
    ]
    assert versions(needs.applied, 1) == []
    lab.group += ".again"
    async with lab.runner(knows):
        await knows.until(lambda t: len(t.applied) == 2)
    assert versions(knows.applied, 1) == [1]


async def test_beacons_carry_an_idle_application_forward(lab: Lab) -> None:
    """With nothing to apply, receipts still say how fresh the application is."""
    lab.desk.claim(1).beacon(1_000).send()
    async with lab.runner(Target()):
        assert (await lab.frontier(2))["as_of"] == 1_000
        lab.desk.beacon(2_000).send()
        receipt = await lab.frontier(3)
    assert (receipt["as_of"], receipt["changes"]) == (2_000, [])


async def test_an_unreadable_decision_holds_the_alignment_and_nobody_else(lab: Lab) -> None:
    """Others go on; the frontier stays; a newer readable decision of the contact lets it go."""
    target = Target()
    lab.desk.claim(1).put(token(1), b"rubbish").beacon(1_000).decide(2, 1).send()
    async with lab.runner(target) as running:
        await target.until(lambda t: len(t.applied) == 1)
        assert (await lab.frontier(1))["frontier"] == 1
        assert running.ready()[1]["unreadable"] == 1
        lab.desk.decide(1, 2).send()
        receipt = await lab.frontier(5)
    assert receipt["as_of"] == 1_000
    assert lab.committed()[0] == 5


async def test_what_others_are_concerned_with_is_passed_over(lab: Lab) -> None:
    """Another controller's contacts, and contacts without a channel of ours, are not sent."""
    target = Target()
    lab.desk.claim(1).decide(1, 1, controller="other").decide(2, 1).send()
    async with lab.runner(target, channels=["email"]):
        await lab.frontier(3)
    assert target.offered == []


@pytest.mark.rule("DISCLOSURE")
async def test_a_third_party_gets_no_grant_without_leave_to_disclose(lab: Lab) -> None:
    """The grant is sent as a denial, a contact with leave as a grant, a denial as a denial."""
    target = Target()
    grant = row(channels=["sms"], allowed=True, basis="consent")
    leave = row(
        channels=["sms"], purposes=["third_party_disclosure"], allowed=True, basis="consent"
    )
    lab.desk.claim(1).decide(1, 1, rows=[grant]).decide(2, 1, rows=[grant, leave]).decide(3, 1)
    lab.desk.send()
    async with lab.runner(target, channels=["sms"], third_party=True):
        await target.until(lambda t: len(t.applied) == 3)
    told = {change.token: change.verdicts[0] for change in target.applied}
    assert [told[token(n).hex()].allowed for n in (1, 2, 3)] == [False, True, False]
    assert told[token(1).hex()].reasons == ("NO_BASIS",)


async def test_a_crash_between_applying_and_the_receipt_repeats_it(lab: Lab) -> None:
    """No receipt, no commit: the next process applies it again and receipts it."""
    target = Target()

    lab.desk.claim(1).decide(1, 1).send()
    breaking, task, _ = await lab.start(target)
    breaking._p = replace(breaking._p, receipts=_Broken())  # type: ignore[arg-type]
    with pytest.raises(ConnectionError):
        await task
    assert versions(target.applied, 1) == [1]
    assert lab.committed()[0] <= DECISION  # where it began may be committed meanwhile
    async with lab.runner(target):
        await lab.frontier(2)
    assert versions(target.applied, 1) == [1, 1]


class _Broken:
    async def write(self, *_: object) -> None:
        """Fail."""
        raise ConnectionError("the broker is gone")

    async def tell(self, *_: object) -> None:
        """A report is no receipt: whatever becomes of it settles nothing."""


async def test_a_sink_that_breaks_its_contract_ends_the_process(lab: Lab) -> None:
    """Any exception but Retry and Reject, or answers that do not fit, are not guessed at."""
    lab.desk.claim(1).decide(1, 1).send()
    for answer, error in ((lambda _: [], BrokenSink), (lambda _: 1 // 0, ZeroDivisionError)):
        _, task, _ = await lab.start(Target(answer=answer))  # type: ignore[arg-type]
        with pytest.raises(error):
            await task
    assert lab.committed()[0] <= DECISION  # where it began may be committed meanwhile


async def test_a_stop_waits_for_a_batch_in_flight_but_not_for_a_target_that_hangs(lab: Lab) -> None:
    """Under 2 s either way; what was not confirmed is not committed."""
    target = Target()
    target.open.clear()
    lab.desk.claim(1).decide(1, 1).send()
    _, task, stop = await lab.start(target)
    await target.until(lambda t: len(t.offered) == 1)
    began = time.monotonic()
    stop.set()
    await task
    assert time.monotonic() - began < 2
    assert lab.committed()[0] <= 1
    _, task, stop = await lab.start(target)
    await target.until(lambda t: len(t.offered) == 2)
    stop.set()
    target.open.set()
    await task
    assert lab.committed()[0] == 2


async def test_an_offset_beyond_the_end_begins_at_the_beginning(lab: Lab) -> None:
    """The decisions were made anew, or lost their end: all is told again."""
    lab.desk.claim(1).decide(1, 1).send()
    consumer = Consumer(consumer_config(lab.stack.settings(), lab.group))
    gone = TopicPartition(lab.topics["noli.decisions"], 0, 1_000)
    consumer.commit(offsets=[gone], asynchronous=False)
    consumer.close()
    target = Target()
    async with lab.runner(target):
        await target.until(lambda t: len(t.applied) == 1)
    assert lab.committed()[0] == 2


async def test_every_partition_is_served(stack: Stack) -> None:
    """Eight partitions: each applied, receipted and committed; alignment is the lowest of all."""
    lab, target = Lab(stack, partitions=8), Target()
    for partition in range(8):
        lab.desk.claim(1, partition).decide(partition, 1, partition)
        lab.desk.beacon(1_000 + partition, partition)
    lab.desk.send()
    async with lab.runner(target) as running:
        await target.until(lambda t: len(t.applied) == 8)
        await asyncio.to_thread(
            lab.receipts,
            lambda all_: {r["partition"] for r in all_ if r["frontier"] == 3} == set(range(8)),
        )
        assert running.ready()[1]["partitions"] == 8
    assert [lab.committed(partition)[0] for partition in range(8)] == [3] * 8
