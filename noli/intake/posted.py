"""What a post says: facts, denials whose contact nobody could read, and refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import orjson

from noli.domain import details, events
from noli.domain.canary import RESERVED, is_canary
from noli.domain.facts import Fact

#: Metric label of a type that is not ours: senders invent names, labels are a closed set.
OTHER_TYPE: Final = "other"


class Refusal(NamedTuple):
    """An event of which nothing is stored: its position from 0, the field, the remedy."""

    position: int
    type: str
    field: str
    detail: str


class Understood(NamedTuple):
    """An event to store; `held` is the whole of it, as JSON, where its contact is unreadable."""

    position: int
    type: str
    fact: Fact
    held: bytes | None = None


def read(
    raws: Sequence[object], accepted: int, first: int, *, canary: bool = False
) -> tuple[list[Understood], list[Refusal]]:
    """What a stretch of a post says that begins at index `first`, accepted at `accepted` (ms).

    `canary`: the sender is the prober, who alone may grant something for a contact that is
    nobody's, and for no other. A denial is taken from everybody: none is ever refused.
    """
    understood: list[Understood] = []
    refused: list[Refusal] = []
    for index, raw in enumerate(raws, first):
        if not isinstance(raw, dict):
            refused.append(Refusal(index, OTHER_TYPE, "", "an event is a JSON object"))
            continue
        try:
            fact = events.parse(raw, accepted)
            if not fact.denies and is_canary(fact.contact) != canary:
                why = "this API key speaks of canaries only" if canary else RESERVED
                refused.append(Refusal(index, raw["type"], "data.contact.value", why))
                continue
            understood.append(Understood(index, raw["type"], fact))
        except events.Refused as error:
            refused.append(Refusal(index, _known_type(raw), error.field, error.remedy))
        except events.Quarantine as error:
            understood.append(Understood(index, raw["type"], error.fact, orjson.dumps(raw)))
    return understood, refused


def _known_type(raw: Mapping[str, object]) -> str:
    said = raw.get("type")
    return said if isinstance(said, str) and said in details.READERS else OTHER_TYPE
