"""Tryton's e-mail marketing: who must not be written to is made inactive on its lists.

Nobody is ever put on a list: an address that is on none is left alone. Only a row that our own user
made inactive, last of all, is made active again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from connectors import coarse, protocol, trytond
from connectors.coarse import Scope, rounded
from connectors.egress import Authorities, Egress, HttpUrl
from connectors.protocol import Change, Contact, Held, Problem, Reject, Result, Retry
from connectors.rest import in_turn
from noli.domain.channel import Channel, Kind, Purpose
from noli.runtime.clock import now_ms

_EMAIL: Final = "marketing.email"
_LIST: Final = "marketing.email.list"


class Row(NamedTuple):
    """An address on a list. `writer`: the user who changed it last."""

    id: int
    email: str
    list: int
    active: bool
    writer: int | None


class Tryton:
    """Makes addresses inactive on Tryton's marketing lists, over its REST interface."""

    class Config(protocol.SinkConfig):
        """Which database, which lists, as whom."""

        url: Annotated[
            HttpUrl,
            Field(description="http(s)://host:8000/database, without what comes after it."),
        ]
        key: Annotated[
            trytond.Key, Field(description="Key of a user application `rest`, validated there.")
        ]
        user: Annotated[
            str, Field(description="Login of the user that the key is of; nobody else's.")
        ]
        lists: Annotated[
            Mapping[int, str],
            Field(min_length=1, description="id of a list: the brand it writes for; *: for any."),
        ]
        purpose: coarse.ForPurpose = Purpose.MARKETING
        timeout_s: Annotated[
            float, Field(gt=0, le=30, description="For one request, in seconds.")
        ] = 10.0
        batch: Annotated[int, Field(ge=1, le=100, description="Most addresses at once.")] = 50
        ca_file: Authorities = None

    def __init__(self, config: Config, app: str) -> None:  # noqa: ARG002 - it asks no name
        self._config = config
        self._way = Egress(
            url=config.url,
            timeout_s=config.timeout_s,
            keep=1,
            allow_private=True,  # the company's own
            ca_file=config.ca_file,
        )
        self._there = trytond.Database(self._way, config.key)
        self._us: int | None = None
        self.traits = coarse.traits(config.batch)

    async def check(self) -> Sequence[Problem]:
        """Whether the key is that user's, may change addresses, and the lists are there."""
        try:
            return await self._problems()
        except Retry as error:
            return await self._way.check() or [
                Problem(f"config.url: {error.reason}", "see url, key and the module's activation")
            ]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Rows are read, then changed one by one; each answer says what holds."""
        rows = await self._rows(_address(change.contact) for change in changes)
        return await in_turn(changes, partial(self._set, rows))

    async def read_back(self, subjects: Sequence[protocol.Subject]) -> Mapping[str, Held]:
        """By brand, whether the address is active on one of its lists; on none, it is denied."""
        named = [(s.token, address) for s in subjects if (address := _address(s.contact))]
        rows = await self._rows(address for _, address in named)
        return {token: Held(None, self._allowed(rows.get(address, ()))) for token, address in named}

    async def aclose(self) -> None:
        """Close the kept connection."""
        await self._way.aclose()

    async def _problems(self) -> list[Problem]:
        us = await self._there.ask(
            "GET", "res.user", [["login", "=", self._config.user]], fields=["name"]
        )
        me = await self._there.ask("POST", "res.user/get_preferences", body={})
        if [user["name"] for user in us] != [me.get("name")]:
            return [Problem("config.user: the key is somebody else's", "name the key's user")]
        body = {"context_only": True}
        groups = (await self._there.ask("POST", "res.user/get_preferences", body=body)).get(
            "groups", ()
        )
        may = [["model", "=", _EMAIL], ["perm_write", "=", True]]
        rights = await self._there.ask("GET", "ir.model.access", may, fields=["group"])
        if not any(right["group"] in {None, *groups} for right in rights):
            return [Problem("config.user: may not change addresses", "add it to group Marketing")]
        domain = [["id", "in", list(self._config.lists)]]
        there = {row["id"] for row in await self._there.ask("GET", _LIST, domain, fields=["name"])}
        missing = sorted(set(self._config.lists) - there)
        return [Problem(f"config.lists: there is no list {n}", "name its id") for n in missing]

    async def _set(self, rows: Mapping[str, Sequence[Row]], change: Change) -> Result:
        address = _address(change.contact)
        if not address:
            return Reject("not_an_address")
        result, ours = None, await self._user()
        for row in rows.get(address, ()):
            said = rounded(change, self._scope(self._config.lists[row.list]))
            result = result if result and result.note else said.applied()
            wanted = said.until > now_ms()
            if wanted != row.active and (not wanted or row.writer == ours):
                body, place = {"active": wanted}, f"{_EMAIL}/{row.id}"
                answer = await self._there.ask("PUT", place, body=body, fields=["active"])
                if bool(answer.get("active", not wanted)) != wanted:
                    return Retry("not_kept")
        return result or protocol.Applied()

    def _scope(self, brand: str) -> Scope:
        return Scope(Channel.EMAIL, self._config.purpose, brand)

    def _allowed(self, rows: Sequence[Row]) -> dict[tuple[str, str, str], bool]:
        lists = self._config.lists
        none: dict[tuple[str, str, str], bool] = dict.fromkeys(
            map(self._scope, lists.values()), False
        )
        return none | {self._scope(lists[row.list]): True for row in rows if row.active}

    async def _user(self) -> int:
        """Our own id there. Raises `Retry`."""
        if self._us is None:
            domain = [["login", "=", self._config.user]]
            found = await self._there.ask("GET", "res.user", domain, fields=["login"])
            if not found:
                raise Retry("no_such_user")
            self._us = int(found[0]["id"])
        return self._us

    async def _rows(self, addresses: Iterable[str]) -> dict[str, list[Row]]:
        """Rows of our lists by address, inactive ones too."""
        domain = [
            ["email", "in", sorted(set(addresses))],
            ["list_", "in", list(self._config.lists)],
            ["active", "in", [True, False]],  # hidden otherwise
        ]
        fields = ("email", "list_", "active", "write_uid", "create_uid")
        found: dict[str, list[Row]] = {}
        for row in await self._there.ask("GET", _EMAIL, domain, fields=fields):
            writer = row["write_uid"] or row["create_uid"]
            one = Row(row["id"], row["email"], row["list_"], bool(row["active"]), writer)
            found.setdefault(one.email, []).append(one)
        return found


def _address(contact: Contact | None) -> str:
    """As Tryton writes it; empty: no address."""
    return contact.value.lower() if contact and contact.kind == Kind.EMAIL else ""
