"""Kannel's `white-list-receiver`: whom its messages may go to. Not on it: refused.

Kannel fetches the list from this sink, when it starts and when it is told to. A fetch that fails
makes Kannel forget the list and send to everybody, while it answers that all is well (1.4.5). So
only a fetch that was seen here confirms, and a Kannel that lost its list is suspended at once.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr

from connectors import coarse, protocol
from connectors.coarse import Rounded, Scope, together
from connectors.egress import Asked, Egress, HttpUrl, PlainSecret
from connectors.protocol import Change, Contact, Held, Problem, Reject, Result, Retry
from connectors.served import Served
from noli.domain.channel import Kind, Purpose
from noli.domain.facts import EVERY_BRAND
from noli.runtime.clock import now_ms

_PRIVATE: Final = 0o600  # the list is for this process and for Kannel, which asks it
_E164: Final = re.compile(r"\+[1-9]\d{3,14}", re.ASCII)
_OWN: Final = r"^\+?\d{1,15}$"
_RELOADED: Final = b"Black/white lists re-loaded"
_LOST: Final = b"Could not re-load lists"
_DENIED: Final = b"Denied"
_NOBODY: Final = "noli-proves-its-password"
_VERSION: Final = re.compile(rb"Kannel bearerbox version `(\d+)\.(\d+)\.(\d+)")
#: What a fetch that was begun may still take when we are told to stop, in seconds.
_LAST_S: Final = 1.0
#: Before, numbers were compared by their last 9 digits: an allowed one opened others.
_WHOLE_NUMBERS: Final = (1, 4, 5)
_REMEDIES: Final = {
    "password_refused": "write kannel.conf's admin-password into config.password",
    "kannel_forgot_the_list": "start bearerbox anew: it was suspended, as it would send to anybody",
    "kannel_did_not_fetch": 'set white-list-receiver = "http://<config.listen>/<config.key>"',
    "not_listening": "give config.listen an address and a port of this machine that are free",
}


class Kannel:
    """Keeps the list of numbers that may be written to, and sees Kannel fetch it."""

    class Config(protocol.SinkConfig):
        """Which gateway, where it fetches the list, what its messages are for."""

        url: Annotated[HttpUrl, Field(description="Bearerbox's admin address: http://host:13000.")]
        password: Annotated[SecretStr, Field(description="Its admin-password.")]
        listen: Annotated[
            str,
            Field(pattern=r"^[^:\s]+:\d{1,5}$", description="host:port that Kannel fetches from."),
        ]
        key: Annotated[PlainSecret, Field(description="Path of the list there; a secret.")]
        file: Annotated[Path, Field(description="Where the list is kept; this process's only.")]
        own_numbers: Annotated[
            tuple[Annotated[str, Field(pattern=_OWN)], ...],
            Field(
                description="Numbers that people write to (STOP): Kannel drops what is for others."
            ),
        ]
        channel: Annotated[Literal["sms", "mms"], Field(description="What its messages are.")] = (
            "sms"
        )
        purpose: coarse.ForPurpose = Purpose.MARKETING
        brand: coarse.OfBrand = EVERY_BRAND
        timeout_s: Annotated[
            float, Field(gt=0, le=60, description="For one command, a fetch included, in seconds.")
        ] = 30.0
        batch: Annotated[int, Field(ge=1, le=5000, description="Most numbers a fetch.")] = 2000

    def __init__(self, config: Config, app: str) -> None:  # noqa: ARG002 - it asks no name
        self._config = config
        self._scope = Scope(config.channel, config.purpose, config.brand)
        self._way = Egress(url=config.url, timeout_s=config.timeout_s, keep=1, allow_private=True)
        self._reloading: asyncio.Task[None] | None = None
        self._served = Served(config.listen, f"/{config.key.get_secret_value()}", self._list)
        self.traits = coarse.traits(config.batch)

    async def serve(self) -> None:
        """Listen for Kannel from the start of this process, and see that it has the list."""
        await self._reload()

    async def check(self) -> Sequence[Problem]:
        """Whether it takes our commands, runs, and compares whole numbers. Writes nothing."""
        try:
            await self._said("/stop-smsc", smsc=_NOBODY)  # proves the password, and does nothing
            status = await self._said("/status.xml")
        except Retry as error:
            remedy = _REMEDIES.get(error.reason, "see config.url and admin-allow-ip there")
            return await self._way.check() or [Problem(f"config.url: {error.reason}", remedy)]
        found = _VERSION.search(status)
        if found is None:
            return [Problem("config.url: is no bearerbox", "name its admin-port, 13000")]
        problems = []
        if tuple(map(int, found.groups())) < _WHOLE_NUMBERS:
            problems.append(Problem("config.url: compares the last 9 digits", "take Kannel 1.4.5"))
        if b"<status>running" not in status:
            what = "config.url: does not run, or was suspended"
            problems.append(Problem(what, _REMEDIES["kannel_forgot_the_list"]))
        return problems

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Write the list, have Kannel fetch it, and see that it did."""
        said = together(changes, self._scope, _number)
        allowed = {number for number, told in said.items() if told.until > now_ms()}
        await asyncio.to_thread(self._keep, said.keys(), allowed)
        self._reloading = asyncio.create_task(self._reload())
        await asyncio.shield(self._reloading)  # cut off, it would make Kannel forget the list
        return [_result(change.contact, said) for change in changes]

    async def read_back(self, subjects: Sequence[protocol.Subject]) -> Mapping[str, Held]:
        """Whether the number is on the list that Kannel fetches."""
        listed = await asyncio.to_thread(self._listed)
        named = [(s.token, number) for s in subjects if (number := _number(s.contact))]
        return {token: Held(None, {self._scope: number in listed}) for token, number in named}

    async def aclose(self) -> None:
        """Listen no more: Kannel keeps what it has, and does not start anew without us."""
        if self._reloading is not None:
            await asyncio.wait([self._reloading], timeout=_LAST_S)
        await self._way.aclose()
        await self._served.aclose()

    async def _reload(self) -> None:
        """Kannel holds the list once this returns. Raises `Retry`."""
        await self._served.open()  # else its fetch fails, and it forgets the list
        before = await self._served.fetched()
        answer = await self._said("/reload-lists")
        if await self._served.fetched() == before and _LOST not in answer:
            # Not from us: is it told another address, or did its fetch just fail? A second time it
            # says which, of the list it should have had by then.
            answer = await self._said("/reload-lists")
            if _LOST not in answer:
                raise Retry("kannel_did_not_fetch")
        if _LOST in answer:
            await self._said("/suspend")
            raise Retry("kannel_forgot_the_list")
        if _RELOADED not in answer:
            raise Retry("kannel_not_reloaded")

    async def _said(self, path: str, **query: str) -> bytes:
        """What bearerbox answers. Raises `Retry`."""
        given = {"password": self._config.password.get_secret_value(), **query}
        answer = await self._way.ask(Asked(method="GET", path=path, query=given))
        if answer.body.strip() == _DENIED:
            raise Retry("password_refused")
        if answer.status != HTTPStatus.OK:
            raise Retry(f"http_{answer.status}")
        return answer.body

    def _list(self) -> bytes:
        """What Kannel fetches; without a file, nobody may be written to."""
        numbers = (*self._config.own_numbers, *sorted(self._listed()))
        return "".join(f"{number}\n" for number in numbers).encode()

    def _listed(self) -> set[str]:
        try:
            return set(self._config.file.read_text("ascii").split())
        except (OSError, UnicodeDecodeError):
            return set()

    def _keep(self, told: Iterable[str], allowed: set[str]) -> None:
        """Durable when it returns. Raises `Retry`."""
        wanted = self._listed().difference(told) | allowed
        fresh = self._config.file.with_name(f"{self._config.file.name}.new")
        try:
            with os.fdopen(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "w"
            ) as to:
                to.writelines(f"{number}\n" for number in sorted(wanted))
                to.flush()
                os.fsync(to.fileno())
            fresh.replace(self._config.file)
        except OSError:
            raise Retry("list_not_written") from None


def _result(contact: Contact | None, said: Mapping[str, Rounded]) -> Result:
    number = _number(contact)
    return said[number].applied() if number else Reject("not_a_number")


def _number(contact: Contact | None) -> str | None:
    """E.164, with its plus; None: no number."""
    if contact is None or contact.kind != Kind.PHONE or not _E164.fullmatch(contact.value):
        return None
    return contact.value
