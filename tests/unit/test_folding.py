"""The suppress step while a past is folded anew: what denies is told, what allows is only saved."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from noli import wire
from noli.domain.policy import Policy
from noli.runtime.part import Part, Record
from noli.runtime.trail import Owes
from schemas.names import GRANTS, OBJECTIONS
from streams.suppress.step import Suppress
from streams.topology import SUPPRESS
from tests.support.law import consent, fact, objection, on
from tests.support.step import CODEC, Memory, Sent

if TYPE_CHECKING:
    from noli.domain.facts import Fact
    from noli.runtime.outputs import Outputs
    from noli.runtime.store import PartitionStore

#: Contacts: so many that those behind go by a template.
MANY = 8


class Folded:
    """A step and its partition, in the middle of a fold."""

    def __init__(self) -> None:
        self.step = Suppress(CODEC, Policy())
        self.part = Part(
            3, 77, SUPPRESS, cast("PartitionStore", Memory()), cast("Outputs", Sent()),
            owes=Owes.FOLD,
        )  # fmt: skip
        self.step.opened(self.part)

    def take(self, lane: str, *facts: Fact) -> None:
        """Each of them of every contact."""
        for number in range(MANY):
            for each in facts:
                own = replace(each, fact_id=each.fact_id[:-1] + bytes([number]))
                value = CODEC.encode("noli.Intent", wire.fact_to_intent(own))
                self.step.process(Record(lane, 3, number, key_of(number), value, on(2)), self.part)

    def told(self) -> list[dict[str, Any]]:
        """What was decided since it was asked last."""
        found = [CODEC.decode(value)[1] for _, value in self.part.unpublished]
        self.part.unpublished.clear()
        return found


def key_of(number: int) -> bytes:
    """A contact's token."""
    return b"\x01" + number.to_bytes(16, "big")


def allowing(decisions: list[dict[str, Any]]) -> list[bool]:
    """Whether anything is allowed, by decision."""
    return [any(row["allowed"] for row in each["rows"]) for each in decisions]


@pytest.fixture
def folded() -> Folded:
    """Nothing was read yet."""
    return Folded()


def test_what_allows_is_saved_and_not_told(folded: Folded) -> None:
    """By a template or the long way; told once the past is whole."""
    folded.take(GRANTS, consent(1, "sms"))
    assert folded.told() == []
    assert len(folded.part.unsaved) == MANY
    folded.part.owes = Owes.GRANTS
    for number in range(MANY):
        folded.step.restate(key_of(number), folded.part)
    assert allowing(folded.told()) == [True] * MANY


@pytest.mark.rule("OBJECT")
def test_what_denies_is_told_at_once_and_alone(folded: Folded) -> None:
    """An objection of one channel: what a consent would allow on another is not said either."""
    folded.take(GRANTS, consent(1, "sms", "mms"))
    folded.take(OBJECTIONS, objection(2, channels=["sms"]))
    decisions = folded.told()
    assert allowing(decisions) == [False] * MANY
    reasons = {reason for each in decisions for row in each["rows"] for reason in row["reasons"]}
    assert "OBJECTED" in reasons
    folded.part.owes = Owes.GRANTS
    folded.step.restate(key_of(0), folded.part)
    (whole,) = folded.told()
    assert allowing([whole]) == [True]
    assert whole["version"] > decisions[0]["version"]


@pytest.mark.rule("REGISTER")
def test_a_listing_is_told_whatever_lane_it_comes_by(folded: Folded) -> None:
    """Also of a contact of whom nothing was known: a load may say that it is in force."""
    folded.take(GRANTS, fact("register.listed", 1, register="phone"))
    assert allowing(folded.told()) == [False] * MANY


def test_of_whom_nothing_denies_nothing_is_said_again(folded: Folded) -> None:
    """What a former owner saved: only denials are told before the past is whole."""
    folded.take(GRANTS, consent(1, "sms"))
    folded.step.restate(key_of(0), folded.part)
    assert folded.told() == []
    folded.take(OBJECTIONS, objection(2))
    folded.told()
    folded.step.restate(key_of(0), folded.part)
    assert allowing(folded.told()) == [False]


def test_a_moment_that_comes_denies(folded: Folded) -> None:
    """A timer, or a source that was revoked: told at once, and nothing that allows."""
    folded.take(GRANTS, consent(1, "sms"))
    folded.step.rederive(key_of(0), folded.part)
    assert allowing(folded.told()) == [False]
