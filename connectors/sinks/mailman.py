"""GNU Mailman's lists: who must not be written to is taken off them, and banned from coming back.

Mailman does not keep who set a ban, so the bans of list `news` that are ours stand a second time,
as bans of a list `news-noli` that nobody is on. Only those are lifted; nobody is subscribed again.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Final, TypeAlias
from urllib.parse import quote, urlencode

from pydantic import Field, SecretStr

from connectors import coarse, protocol
from connectors.coarse import Scope, rounded
from connectors.egress import Answer, Asked, Authorities, Egress, HttpUrl
from connectors.protocol import Applied, Change, Contact, Held, Problem, Reject, Result, Retry
from connectors.rest import answered, fields, in_turn
from noli.domain.channel import Channel, Kind, Purpose
from noli.runtime.clock import now_ms

_MARK: Final = "-noli"
#: What Mailman says, with a 400, to a ban that stands already.
_ALREADY: Final = b"already banned"
#: Mailman's own ban held the address before ours did, or holds it beside ours.
KEPT: Final = "banned_by_others"
List: TypeAlias = Annotated[str, Field(pattern=r"^[^@/\s]+@[^@/\s]+$")]


class Mailman:
    """Takes addresses off Mailman's lists and bans them, over Mailman core's REST interface."""

    class Config(protocol.SinkConfig):
        """Which Mailman, which lists."""

        url: Annotated[
            HttpUrl,
            Field(description="REST interface of Mailman core: http://host:8001/3.1."),
        ]
        user: Annotated[str, Field(description="admin_user of its [webservice].")] = "restadmin"
        password: Annotated[SecretStr, Field(description="admin_pass of its [webservice].")]
        lists: Annotated[
            Mapping[List, str],
            Field(min_length=1, description="list@host: the brand it writes for; *: for any."),
        ]
        purpose: coarse.ForPurpose = Purpose.MARKETING
        timeout_s: Annotated[
            float, Field(gt=0, le=30, description="For one request, in seconds.")
        ] = 10.0
        batch: Annotated[int, Field(ge=1, le=100, description="Most addresses at once.")] = 20
        ca_file: Authorities = None

    def __init__(self, config: Config, app: str) -> None:  # noqa: ARG002 - it asks no name
        self._config = config
        self._way = Egress(
            url=config.url,
            timeout_s=config.timeout_s,
            keep=1,
            allow_private=True,  # the company's own, as a rule on this machine
            ca_file=config.ca_file,
        )
        self.traits = coarse.traits(config.batch)

    async def check(self) -> Sequence[Problem]:
        """Whether it lets us in, and the lists are there. Writes nothing."""
        try:
            return await self._problems()
        except Retry as error:
            return await self._way.check() or [
                Problem(f"config.url: {error.reason}", "see url, user and password")
            ]

    async def fix(self) -> Sequence[str]:
        """Make the lists that hold our marks."""
        done = [problem.what for problem in await self.check() if problem.fixable]
        for name in self._config.lists if done else ():
            await self._ask("POST", "/lists", {"fqdn_listname": _marks(name)}, also={400})
            await self._ask("PATCH", f"/lists/{_marks(name)}/config", {"advertised": "False"})
        return [f"was mended: {what}" for what in done]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Address by address, list by list; each request says whether it holds."""
        return await in_turn(changes, self._set)

    async def read_back(self, subjects: Sequence[protocol.Subject]) -> Mapping[str, Held]:
        """By brand, whether one of its lists writes to the address or would take it on."""
        return {
            subject.token: Held(None, await self._allowed(address))
            for subject in subjects
            if (address := _address(subject.contact))
        }

    async def aclose(self) -> None:
        """Close the kept connection."""
        await self._way.aclose()

    async def _problems(self) -> list[Problem]:
        found = []
        for name in self._config.lists:
            if not await self._there(f"/lists/{name}"):
                found.append(Problem(f"config.lists: there is no list {name}", "name another"))
            elif not await self._there(f"/lists/{_marks(name)}"):
                what = f"list {_marks(name)}, which marks our bans, is missing"
                found.append(Problem(what, "use --fix", fixable=True))
        return found

    async def _set(self, change: Change) -> Result:
        address = _address(change.contact)
        if not address:
            return Reject("not_an_address")
        if "/" in address:
            return Reject("address_with_slash")  # its REST interface cannot name it
        result: Applied | None = None
        for name, brand in self._config.lists.items():
            said = rounded(change, self._scope(brand))
            if said.until > now_ms():
                done = await self._unban(name, address)
            else:
                await self._ban(name, address)
                done = said.applied()
            result = result if result and result.note else done
        return result or Applied()

    async def _ban(self, name: str, address: str) -> None:
        """Raises `Reject` where Mailman never takes the address."""
        if not await self._there(_ban(name, address)):
            for place in (_marks(name), name):  # ours, should we not come to the second
                answer = await self._ask(
                    "POST", f"/lists/{place}/bans", {"email": address}, also={400}
                )
                if answer.status == HTTPStatus.BAD_REQUEST and _ALREADY not in answer.body:
                    raise Reject("address_refused")
        left = await self._ask("DELETE", f"/lists/{name}/roster/member", {"emails": address})
        if address not in fields(left):
            raise Retry("roster_is_silent")

    async def _unban(self, name: str, address: str) -> Applied:
        if await self._there(f"/bans/{quote(address, safe='@')}"):
            return Applied(KEPT)  # from the whole site: all else would look like a ban too
        if await self._there(_ban(_marks(name), address)):
            for place in (name, _marks(name)):
                await self._ask("DELETE", _ban(place, address), also={404})
        return Applied(KEPT if await self._there(_ban(name, address)) else None)

    async def _allowed(self, address: str) -> dict[tuple[str, str, str], bool]:
        allowed: dict[tuple[str, str, str], bool] = {}
        for name, brand in self._config.lists.items():
            on = await self._there(f"/lists/{name}/member/{quote(address, safe='@')}")
            free = on or not await self._there(_ban(name, address))
            allowed[self._scope(brand)] = allowed.get(self._scope(brand), False) or free
        return allowed

    def _scope(self, brand: str) -> Scope:
        return Scope(Channel.EMAIL, self._config.purpose, brand)

    async def _there(self, path: str) -> bool:
        answer = await self._ask("GET", path, also={404})
        return answer.status == HTTPStatus.OK and bool(fields(answer))

    async def _ask(
        self,
        method: str,
        path: str,
        form: Mapping[str, str] | None = None,
        also: frozenset[int] | set[int] = frozenset(),
    ) -> Answer:
        """Raises `Retry` for a status that is no success and not `also` expected."""
        name = f"{self._config.user}:{self._config.password.get_secret_value()}"
        headers = {
            "Authorization": f"Basic {b64encode(name.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = urlencode(form).encode() if form else b""
        return await answered(self._way, Asked(method, path, None, body, headers), also)


def _address(contact: Contact | None) -> str:
    """As Mailman compares it; empty: no address."""
    return contact.value.lower() if contact and contact.kind == Kind.EMAIL else ""


def _ban(name: str, address: str) -> str:
    return f"/lists/{name}/bans/{quote(address, safe='@')}"


def _marks(name: str) -> str:
    local, _, host = name.partition("@")
    return f"{local}{_MARK}@{host}"
