"""Ten thousand invented people of Italy: seeded, so that every run says the same.

Nobody is real. E-mail domains are reserved for examples (RFC 2606). Mobile numbers begin with 300
to 309, which no operator has. Landlines have a subscriber number that begins with 1, which Italian
subscriber numbers do not.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from noli.cli.demo import spelling

SEED: Final = 20_261_122

_NAMES: Final = (
    "Giulia", "Marco", "Francesca", "Luca", "Chiara", "Alessandro", "Niccolò", "Sofia", "Andrea",
    "Martina", "Davide", "Elisa", "Matteo", "Giorgia", "Lorenzo", "Noemi", "Salvatore",
    "Concetta", "Ciro", "Desirée", "Beatrice", "Zoë",
)  # fmt: skip
_SURNAMES: Final = (
    "Rossi", "Russo", "Ferrari", "Esposito", "Bianchi", "Romano", "Colombo", "Ricci", "Marino",
    "Greco", "Conti", "Mancini", "Costa", "Giordano", "Rizzo", "Lombardi", "Moretti", "D'Angelo",
    "Bruno", "Gallo", "Fontana", "Caruso",
)  # fmt: skip
_DOMAINS: Final = (
    "posta.example",
    "libero.example",
    "studio-legale.example",
    "caffè-centrale.example",
    "società-perché.example",
    "città-di-forlì.example",
    "università.test",
    "bottega.example.com",
)
#: Area code, and how many digits follow it.
_AREAS: Final = (("06", 8), ("02", 8), ("011", 7), ("081", 7), ("051", 6), ("0422", 6), ("0984", 6))
_MOBILE_PREFIXES: Final = 10


class Line(StrEnum):
    """What kind of contact point somebody left."""

    MOBILE = "mobile"
    LANDLINE = "landline"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Person:
    """One contact point. `written` is how the company's file has it, `elsewhere` how others do."""

    name: str
    line: Line
    written: str
    elsewhere: str

    def __repr__(self) -> str:
        """Without the contact, invented as it is."""
        return f"Person({self.line}, …)"

    @property
    def kind(self) -> str:
        """The kind of its contact."""
        return "email" if self.line is Line.EMAIL else "phone"

    @property
    def channel(self) -> str:
        """The channel that this person agreed to, and that may be used without further ado."""
        return _CHANNEL[self.line]


_CHANNEL: Final = {Line.MOBILE: "sms", Line.LANDLINE: "operator_call", Line.EMAIL: "email"}


def people(count: int, seed: int = SEED) -> list[Person]:
    """`count` different contact points: half mobiles, a seventh landlines, the rest e-mails."""
    chance = random.Random(seed)  # noqa: S311 - the same on every run is the point
    makers = {Line.MOBILE: _mobile, Line.LANDLINE: _landline, Line.EMAIL: _email}
    lines = chance.choices([Line.MOBILE, Line.LANDLINE, Line.EMAIL], [50, 15, 35], k=count)
    sources = {line: _distinct(make, chance) for line, make in makers.items()}
    found: list[Person] = []
    for line in lines:
        name, spell = next(sources[line])
        found.append(Person(name, line, spell(chance), spell(chance)))
    return found


#: Writes one contact point, each time perhaps otherwise.
Speller = Callable[[random.Random], str]


def _distinct(
    make: Callable[[random.Random, str], tuple[str, Speller]], chance: random.Random
) -> Iterator[tuple[str, Speller]]:
    seen: set[str] = set()
    while True:
        name = f"{chance.choice(_NAMES)} {chance.choice(_SURNAMES)}"
        key, speller = make(chance, name)
        if key not in seen:
            seen.add(key)
            yield name, speller


def _mobile(chance: random.Random, _name: str) -> tuple[str, Speller]:
    number = f"30{chance.randrange(_MOBILE_PREFIXES)}{chance.randrange(10**7):07d}"
    return number, lambda again: spelling.mobile(number, again)


def _landline(chance: random.Random, _name: str) -> tuple[str, Speller]:
    area, digits = chance.choice(_AREAS)
    subscriber = f"1{chance.randrange(10 ** (digits - 1)):0{digits - 1}d}"
    return area + subscriber, lambda again: spelling.landline(area, subscriber, again)


def _email(chance: random.Random, name: str) -> tuple[str, Speller]:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    local = plain.replace(" ", ".").replace("'", "") + str(chance.randrange(1, 1000))
    domain = chance.choice(_DOMAINS)
    return f"{local}@{domain}", lambda again: spelling.email(local, domain, again)
