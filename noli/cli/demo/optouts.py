"""Three hundred people say stop, each in a shape that real senders use."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from noli.cli.demo.people import SEED, Line, Person
from noli.domain import contact as contacts
from noli.domain import times
from noli.intake.links import Link, Links

CONTROLLER: Final = "acme"
COUNT: Final = 300
_MULTIPART: Final = 75
_URLENCODED: Final = 75
_CRM: Final = 90
_CRM_BATCH: Final = 30
_TIMEOUT_S: Final = 15.0

#: RFC 8058 §3.1: the one field that mail providers post.
_FIELD: Final = "List-Unsubscribe"
_VALUE: Final = "One-Click"

#: What a CRM says besides the contact, in turn. Details that nobody knows widen an objection.
_CRM_SHAPES: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    ("noli.objection.raised.v1", {"via": "web"}),
    ("noli.objection.raised.v1", {"via": "letter", "evidence": {"ref": "protocollo 118"}}),
    ("noli.objection.raised.v1", {"via": "email", "purposes": ["newsletter_natalizia"]}),
    ("noli.consent.withdrawn.v1", {}),
    ("noli.erasure.requested.v1", {}),
)


@dataclass(frozen=True, slots=True)
class OptOuts:
    """Who objects by which way."""

    multipart: Sequence[Person]
    urlencoded: Sequence[Person]
    crm: Sequence[Person]
    calls: Sequence[Person]

    @property
    def everybody(self) -> list[Person]:
        """All of them."""
        return [*self.multipart, *self.urlencoded, *self.crm, *self.calls]


def chosen(people: Sequence[Person]) -> OptOuts:
    """`COUNT` different people: who reads mail clicks, who is called says it on the phone."""
    chance = random.Random(SEED)  # noqa: S311 - the same on every run is the point
    readers = [person for person in people if person.line is Line.EMAIL]
    clicking = chance.sample(readers, _MULTIPART + _URLENCODED)
    rest = list(set(people) - set(clicking))
    rest.sort(key=lambda person: person.written)  # a set has no order of its own
    crm = chance.sample(rest, _CRM)
    left = [person for person in rest if person not in set(crm) and person.line is not Line.EMAIL]
    calls = chance.sample(left, COUNT - _MULTIPART - _URLENCODED - _CRM)
    return OptOuts(clicking[:_MULTIPART], clicking[_MULTIPART:], crm, calls)


def links(people: Sequence[Person], minting: Links, base: str, now: int) -> list[str]:
    """The unsubscribe URL in each one's mail, as `noli unsubscribe-link` mints it."""
    found: list[str] = []
    for person in people:
        contact = contacts.normalise(person.kind, person.written)
        token = minting.mint(Link(CONTROLLER, contact.kind, contact.value, now))
        found.append(f"{base}/u/{token}")
    return found


def click(urls: Sequence[str], *, multipart: bool) -> Iterator[int]:
    """Post as a mail provider does: no key, no cookie; yields how many were confirmed so far."""
    with httpx2.Client(timeout=_TIMEOUT_S, trust_env=False) as client:
        for number, url in enumerate(urls, 1):
            if multipart:
                answer = client.post(url, files={_FIELD: (None, _VALUE)})
            else:
                answer = client.post(url, data={_FIELD: _VALUE})
            answer.raise_for_status()
            yield number


def crm_batches(people: Sequence[Person], now: int) -> Iterator[list[dict[str, Any]]]:
    """What a CRM posts every few minutes: an array of CloudEvents."""
    shapes = itertools.cycle(_CRM_SHAPES)
    for start in range(0, len(people), _CRM_BATCH):
        yield [
            _crm_event(person, f"optout-{start + number}", next(shapes), now)
            for number, person in enumerate(people[start : start + _CRM_BATCH])
        ]


def post_batch(url: str, key: str, batch: Sequence[dict[str, Any]]) -> int:
    """Post one batch; how many were acknowledged."""
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/cloudevents-batch+json; charset=utf-8",
    }
    answer = httpx2.post(
        f"{url}/v1/events", json=list(batch), headers=headers, timeout=_TIMEOUT_S, trust_env=False
    )
    answer.raise_for_status()
    return len(answer.json())


def _crm_event(
    person: Person, name: str, shape: tuple[str, dict[str, Any]], now: int
) -> dict[str, Any]:
    type_, data = shape
    contact = {"kind": person.kind, "value": person.elsewhere}
    return {
        "specversion": "1.0",
        "id": name,
        "source": "https://crm.example/contacts",
        "type": type_,
        "time": times.text(now),
        "datacontenttype": "application/json",
        "data": {"controller": CONTROLLER, "contact": contact, **data},
    }
