"""How people in Italy write the same contact point. Pure; chance is an argument."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

#: Digits of a mobile number after its prefix of three.
_SUBSCRIBER: Final = 7


def mobile(number: str, chance: random.Random) -> str:
    """A national mobile number of ten digits, in one of its usual spellings."""
    prefix, rest = number[:3], number[3:]
    first, last = rest[:3], rest[3:]
    return _one(
        chance,
        f"+39{number}",
        f"+39 {prefix} {first}{last}",
        f"+39 {prefix} {first} {last}",
        f"0039 {prefix} {rest}",
        number,
        f"{prefix} {rest}",
        f"{prefix}/{rest}",
        f"{prefix}-{first}.{last[:2]}.{last[2:]}",
        f"(+39) {prefix} {rest}",
    )


def landline(area: str, subscriber: str, chance: random.Random) -> str:
    """A landline: the zero of the area code is part of the number, abroad too."""
    middle = len(subscriber) // 2
    return _one(
        chance,
        f"{area} {subscriber}",
        f"{area}/{subscriber}",
        f"{area}-{subscriber[:middle]}.{subscriber[middle:]}",
        f"{area}{subscriber}",
        f"+39 {area} {subscriber}",
        f"+39{area}{subscriber}",
        f"0039 {area} {subscriber[:middle]} {subscriber[middle:]}",
    )


def email(local: str, domain: str, chance: random.Random) -> str:
    """An address; case is the writer's, and an IDN domain stands in letters or as `xn--`."""
    ascii_domain = domain.encode("idna").decode()
    return _one(
        chance,
        f"{local}@{domain}",
        f"{local}@{domain}",
        f"{local.title()}@{domain}",
        f"{local}@{ascii_domain}",
        f"{local}@{domain.capitalize()}",
        f" {local}@{domain} ",
    )


def _one(chance: random.Random, *spellings: str) -> str:
    options: Sequence[str] = spellings
    return chance.choice(options)
