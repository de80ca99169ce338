"""The files that Italian companies have: what a CRM exports, what a call centre hands over."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from noli.cli.demo.people import SEED, Line, Person
from noli.domain import times

#: Excel's "CSV UTF-8", and what it writes when nobody asks.
_WITH_MARK: Final = "utf-8-sig"
_EXCEL: Final = "cp1252"
ROME: Final = ZoneInfo("Europe/Rome")
_TWO_YEARS_MIN: Final = 2 * 365 * 24 * 60
_CHECKED_DAYS: Final = 7
_FORMS: Final = ("modulo-web-12", "fiera-bologna", "registrazione-vocale-7", "cartolina-3")


def contacts(path: Path, people: Sequence[Person], now: int) -> None:
    """The CRM's export: one row per contact point, with the consent that was given for it."""
    chance = random.Random(SEED)  # noqa: S311 - the same on every run is the point
    _write(
        path,
        _WITH_MARK,
        ["Nome", "Telefono", "E-mail", "Finalità", "Canali", "Data", "evidence_ref"],
        (
            [
                person.name,
                "" if person.line is Line.EMAIL else person.written,
                person.written if person.line is Line.EMAIL else "",
                "marketing",
                person.channel,
                _italian(now, timedelta(minutes=chance.randrange(1, _TWO_YEARS_MIN))),
                chance.choice(_FORMS),
            ]
            for person in people
        ),
    )


def register_checks(path: Path, people: Sequence[Person], now: int) -> None:
    """The public register's answer for every number that is called: it is not listed."""
    checked = _italian(now, timedelta(days=_CHECKED_DAYS))
    rows = ([person.written, "phone", checked] for person in people)
    _write(path, _EXCEL, ["Numero", "register", "Data ora"], rows)


def calls(path: Path, people: Sequence[Person], now: int) -> None:
    """What a call centre hands over at the end of a shift."""
    chance = random.Random(SEED)  # noqa: S311 - as above
    _write(
        path,
        _EXCEL,
        ["Operatore", "Telefono", "Data ora", "Esito", "via"],
        (
            [
                f"op{chance.randrange(1, 40):02d}",
                person.elsewhere,
                _italian(now, timedelta(seconds=chance.randrange(1, 3600))),
                "Non vuole più essere contattato",
                "call",
            ]
            for person in people
        ),
    )


def _italian(now: int, before: timedelta) -> str:
    moment = datetime.fromtimestamp(now / times.SECOND, UTC) - before
    return f"{moment.astimezone(ROME):%d/%m/%Y %H:%M:%S}"


def _write(path: Path, encoding: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        writer.writerow(header)
        writer.writerows(rows)
