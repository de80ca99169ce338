"""Generated histories of one contact, for the properties of the join.

Hypothesis chooses a size and a seed, chance does the rest: drawing each field would take ten times
as long, and a history of a given size is what one wants to see shrunk.
"""

from __future__ import annotations

from random import Random
from typing import Final

from hypothesis import strategies as st

from noli.domain.channel import OF_KIND, PURPOSES, Kind, channels_of
from noli.domain.facts import Fact
from noli.domain.verdict import Query
from tests.support.law import EMAIL, PHONE, POSTAL, Json, fact

History = tuple[Kind, list[Fact]]
_Told = tuple[str, dict[str, Json]]

CONTACTS: Final = {Kind.EMAIL: EMAIL, Kind.PHONE: PHONE, Kind.POSTAL: POSTAL}
#: The last day of a history; questions are asked then and later.
END: Final = 40

_KINDS: Final = (Kind.PHONE, Kind.PHONE, Kind.EMAIL, Kind.POSTAL)
_BRANDS: Final = (["*"], ["*"], ["alfa"], ["beta"], ["alfa", "beta"])
_FORMS: Final[tuple[dict[str, Json], ...]] = (
    {"ref": "f"},
    {"ref": "f"},
    {"ref": "f"},
    {},
    {"ref": "f", "preticked": True},
)
_DENIALS: Final = ("objection.raised", "objection.raised", "consent.withdrawn")
#: One erasure in so many facts: it ends most stories.
_ERASURES: Final = 16
_SEEDS: Final = st.integers(0, 2**32)


def _channels(chance: Random, kind: Kind) -> list[str]:
    own = [channel.value for channel in channels_of(OF_KIND[kind])]
    return chance.sample(own, chance.randint(1, min(3, len(own))))


def _consent(chance: Random, kind: Kind) -> _Told:
    return "consent.given", {
        "purpose": chance.choice(PURPOSES).value,
        "channels": _channels(chance, kind),
        "consent_id": chance.choice(["c1", "c2"]),
        "double_opt_in": chance.random() < 1 / 3,
        "evidence": chance.choice(_FORMS),
    }


def _denial(chance: Random, kind: Kind) -> _Told:
    data: dict[str, Json] = {}
    if chance.random() < 1 / 2:
        data["channels"] = _channels(chance, kind)
    if chance.random() < 1 / 2:
        data["purposes"] = [chance.choice(PURPOSES).value]
    return chance.choice(_DENIALS), data


def _relation(chance: Random, kind: Kind) -> _Told:
    if chance.random() < 1 / 2:
        return "soft_opt_in.recorded", {
            "sale_id": "s",
            "categories": chance.choice([["shoes"], ["bags", "shoes"]]),
            "informed": chance.random() < 2 / 3,
            "objection_offered": True,
        }
    return "interest.recorded", {
        "reason": "customer",
        "channels": _channels(chance, kind),
        "informed": True,
        "evidence": {"ref": "order"},
    }


def _circumstance(chance: Random, _: Kind) -> _Told:
    kind = chance.choice(["form", "public_directory", "public_directory", "web_scrape"])
    told: list[_Told] = [
        ("consent.confirmed", {"consent_id": chance.choice(["c1", "c2"])}),
        ("contact.collected", {"source_kind": kind, "source_id": chance.choice(["list", "fair"])}),
        ("directory.status", {"listed": chance.random() < 2 / 3}),
        (f"register.{chance.choice(['listed', 'delisted', 'verified', 'verified'])}",
         {"register": chance.choice(["phone", "post"])}),
        (f"contract.{chance.choice(['started', 'ended'])}",
         {"contract_id": chance.choice(["k", "m"])}),
        (f"call.{chance.choice(['silent', 'attended'])}", {}),
    ]  # fmt: skip
    return chance.choice(told)


_TELLERS: Final = (_consent, _consent, _denial, _relation, _circumstance, _circumstance)


def _fact(chance: Random, kind: Kind, told: _Told) -> Fact:
    what, data = told
    day = chance.randint(0, 2 * END) / 2
    accepted = max(day, chance.randint(0, 2 * END) / 2) if chance.random() < 1 / 2 else day
    if "source_id" not in data and chance.random() < 1 / 2:
        data["source_id"] = chance.choice(["list", "fair"])
    return fact(
        what, day, accepted=accepted, contact=CONTACTS[kind],
        **data, brands=chance.choice(_BRANDS), nonce=chance.randint(0, 3),
    )  # fmt: skip


def history(chance: Random, size: int, *, erasures: bool = True) -> History:
    """A kind of contact and `size` facts about it, no fact twice."""
    kind = chance.choice(_KINDS)
    told = []
    for _ in range(size):
        if erasures and not chance.randrange(_ERASURES):
            told.append(_fact(chance, kind, ("erasure.requested", {})))
        else:
            told.append(_fact(chance, kind, chance.choice(_TELLERS)(chance, kind)))
    return kind, list({each.fact_id: each for each in told}.values())


def histories(*, most: int = 8, erasures: bool = True) -> st.SearchStrategy[History]:
    """Histories of up to `most` facts."""

    def tell(size: int, seed: int) -> History:
        return history(Random(seed), size, erasures=erasures)

    return st.builds(tell, st.integers(1, most), _SEEDS)


def denials(kind: Kind) -> st.SearchStrategy[Fact]:
    """An objection or a withdrawal."""

    def tell(seed: int) -> Fact:
        chance = Random(seed)
        return _fact(chance, kind, _denial(chance, kind))

    return st.builds(tell, _SEEDS)


def questions(kind: Kind) -> list[Query]:
    """Every pair, asked for every brand, a named one, an unnamed one; with a product."""
    return [
        Query(channel, purpose, brand, product)
        for channel in channels_of(OF_KIND[kind])
        for purpose in PURPOSES
        for brand, product in ((None, None), ("alfa", "shoes"), ("gamma", None))
    ]
