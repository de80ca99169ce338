"""Stories for tests of the law: events on days of 2026, and questions about them.

`on(n)` is midnight UTC, n days after 1 January 2026, in ms; fractions of a day are fine.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from noli.domain import events, fold, times, verdict
from noli.domain.channel import Channel, Purpose
from noli.domain.contact import normalise
from noli.domain.facts import Fact
from noli.domain.policy import Policy
from noli.domain.scenario import Ask, Scenario
from noli.domain.state import EMPTY, State
from noli.domain.verdict import Query, Verdict

#: Whatever a sender may write.
Json = Any

ACME: Final = "acme"
PHONE: Final = {"kind": "phone", "value": "+393331234567"}
EMAIL: Final = {"kind": "email", "value": "anna@example.it"}
POSTAL: Final = {"kind": "postal", "value": "Via Roma 1, 00100 Roma"}
PARTY: Final = "crm:42"

_START: Final = times.parse("2026-01-01T00:00:00Z")


def on(day: float) -> int:
    """A moment, in ms."""
    return _START + round(day * times.DAY)


def raw(kind: str, day: float | None, **data: Json) -> dict[str, Any]:
    """A CloudEvent as posted: type `noli.<kind>.v1`, about `PHONE` unless data says otherwise."""
    about = {} if "contact" in data or "party" in data else {"contact": PHONE}
    event: dict[str, Any] = {
        "specversion": "1.0",
        "type": f"noli.{kind}.v1",
        "source": "/test",
        "id": f"{kind}@{day}",
        "data": {"controller": ACME, **about, **data},
    }
    if day is not None:
        event["time"] = times.text(on(day))
    return event


def fact(kind: str, day: float, *, accepted: float | None = None, **data: Json) -> Fact:
    """A fact of that day, accepted then too unless said otherwise."""
    return events.parse(raw(kind, day, **data), on(day if accepted is None else accepted))


def consent(day: float, *channels: str, **more: Json) -> Fact:
    """A valid consent for marketing, by SMS unless channels are named."""
    data = {
        "purpose": "marketing",
        "channels": list(channels or ("sms",)),
        "evidence": {"ref": "form-7"},
        **more,
    }
    return fact("consent.given", day, **data)


def objection(day: float, **more: Json) -> Fact:
    """An objection, to everything it covers by default unless data says otherwise."""
    return fact("objection.raised", day, **more)


def folded(facts: Iterable[Fact]) -> State:
    """The state of facts of one contact."""
    state = EMPTY
    for each in facts:
        state = fold.fold(state, each)
    return state


def ask(  # noqa: PLR0913 - a question has that many parts
    facts: Iterable[Fact],
    day: float,
    channel: str,
    purpose: str = "marketing",
    *,
    contact: dict[str, str] = PHONE,
    brand: str | None = None,
    product: str | None = None,
    policy: Policy | None = None,
) -> Verdict:
    """The answer to one question, by the way `noli decide` goes."""
    scenario = Scenario(policy)
    for each in facts:
        scenario.take(each)
    query = Query(Channel(channel), Purpose(purpose), brand, product)
    return scenario.answers([Ask(ACME, normalise(**contact), query, on(day))])[0]


def stored(facts: Iterable[Fact], day: float, policy: Policy | None = None) -> list[verdict.Row]:
    """The rows of facts of one contact, as they stand on a day."""
    return verdict.verdicts(folded(facts), policy or Policy(), on(day))[0]
