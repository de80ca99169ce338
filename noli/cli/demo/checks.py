"""Looks at every place that could still contact somebody: the webhook's, the table, the lookup.

Each place is asked in its own words, not by Noli's code: the application's memory, SQL as the
dialer writes it, HTTP.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpx2

from noli.cli.demo.application import Application
from noli.cli.demo.optouts import CONTROLLER
from noli.cli.demo.people import Person
from noli.cli.problem import ProblemError
from noli.domain import contact as contacts
from noli.domain.channel import OF_KIND, Kind, channels_of

_TIMEOUT_S: Final = 30.0
#: Questions in one post to the lookup.
_QUERIES: Final = 500
_CREATE: Final = "CREATE TEMP TABLE asked (who text, objected boolean, channel text);"
#: Of those who objected: the number of rows that allow anything at all. Of the others: the number
#: who may not be contacted as they agreed to, by the function that docs/howto gives to dialers.
_SELECT: Final = """
SELECT count(*) FROM asked JOIN noli_suppression s ON s.contact = asked.who
 WHERE asked.objected AND s.allowed AND (s.until IS NULL OR s.until > now());
SELECT count(*) FROM asked
 WHERE asked.objected AND noli_suppression_allowed(asked.who, asked.channel);
SELECT count(*) FROM asked
 WHERE NOT asked.objected AND NOT noli_suppression_allowed(asked.who, asked.channel);
"""


class Finding(NamedTuple):
    """One place: how many who objected it would still contact, and how many others it would not."""

    place: str
    wrongly_allowed: int
    wrongly_denied: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Whom to ask about."""

    objected: Sequence[Person]
    others: Sequence[Person]

    @property
    def everybody(self) -> list[Person]:
        """Both."""
        return [*self.objected, *self.others]


def memory(application: Application, sample: Sample) -> Finding:
    """The application behind the webhook: what it holds in its own memory."""
    return Finding(
        "webhook memory",
        sum(application.allows_something(_name(person)) for person in sample.objected),
        sum(not application.allowed(_name(person), person.channel) for person in sample.others),
    )


def table(psql: Path, dsn: str, sample: Sample) -> Finding:
    """The dialer's database: what SQL answers. Raises `ProblemError` when it does not."""
    rows = [
        f"{_name(person)[1]}\t{person in objected}\t{person.channel}"
        for objected in [set(sample.objected)]
        for person in sample.everybody
    ]
    script = "\n".join([_CREATE, "COPY asked FROM STDIN;", *rows, r"\.", _SELECT])
    done = subprocess.run(
        [str(psql), "-X", "--quiet", "--tuples-only", "--no-align", "-v", "ON_ERROR_STOP=1"],
        input=script, env=_libpq(dsn), text=True, capture_output=True, check=False,
        timeout=_TIMEOUT_S,
    )  # fmt: skip
    if done.returncode:
        raise ProblemError("the dialer's table could not be asked", detail=done.stderr[-1000:])
    rows_allowed, contacts_allowed, denied = map(int, done.stdout.split())
    return Finding("PostgreSQL table", max(rows_allowed, contacts_allowed), denied)


def lookup(url: str, key: str, sample: Sample) -> Finding:
    """`POST /v1/decisions`: every channel for those who objected, the agreed one for the others."""
    objected = [query for person in sample.objected for query in _every_channel(person)]
    others = [_query(person, person.channel) for person in sample.others]
    with httpx2.Client(timeout=_TIMEOUT_S, trust_env=False) as client:
        allowed = _ask(client, url, key, objected)
        free = _ask(client, url, key, others)
    return Finding("lookup", sum(allowed), len(free) - sum(free))


def _ask(client: httpx2.Client, url: str, key: str, queries: list[dict[str, Any]]) -> list[bool]:
    answers: list[bool] = []
    for start in range(0, len(queries), _QUERIES):
        answer = client.post(
            f"{url}/v1/decisions",
            json={"queries": queries[start : start + _QUERIES]},
            headers={"Authorization": f"Bearer {key}"},
        )
        answer.raise_for_status()
        answers += [bool(verdict["allowed"]) for verdict in answer.json()["decisions"]]
    if len(answers) != len(queries):
        raise ProblemError(f"the lookup gave {len(answers)} answers to {len(queries)} questions")
    return answers


def _every_channel(person: Person) -> list[dict[str, Any]]:
    return [_query(person, channel.value) for channel in channels_of(OF_KIND[Kind(person.kind)])]


def _query(person: Person, channel: str) -> dict[str, Any]:
    # As somebody else writes the contact: the lookup must know it all the same.
    contact = {"kind": person.kind, "value": person.elsewhere}
    return {
        "controller": CONTROLLER,
        "contact": contact,
        "channel": channel,
        "purpose": "marketing",
    }


def _name(person: Person) -> tuple[str, str]:
    contact = contacts.normalise(person.kind, person.written)
    return contact.kind.value, contact.value


def _libpq(dsn: str) -> dict[str, str]:
    """Variables of libpq for a URL: a password in a command line is seen by every user."""
    url = urlsplit(dsn)
    return {
        **os.environ,
        "PGHOST": url.hostname or "",
        "PGPORT": str(url.port or ""),
        "PGUSER": url.username or "",
        "PGPASSWORD": url.password or "",
        "PGDATABASE": url.path.lstrip("/"),
    }
