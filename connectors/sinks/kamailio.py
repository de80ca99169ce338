"""A table in Kamailio's memory: until when a number may be called. Not in it: refused with 603.

The table holds allowances, so whatever empties it (a restart, a wrong name) refuses calls. The
proxy's side is `examples/kamailio/noli.cfg`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import Field

from connectors import coarse, protocol
from connectors.abreast import few_at_once
from connectors.coarse import DENIED, Rounded, Scope, together
from connectors.egress import Asked, Authorities, Egress, HttpUrl, PlainSecret
from connectors.protocol import Change, Contact, Held, Problem, Reject, Result, Retry
from noli.domain.channel import Kind, Purpose
from noli.domain.facts import EVERY_BRAND
from noli.runtime.clock import now_ms

#: The last second that its integers hold (32 bits, also in 5.6): from 2038 on all is refused.
_LAST_S: Final = (1 << 31) - 1
_S: Final = 1_000  # ms in a second
#: The key of the lease: as of when, in seconds, whoever objected is refused. No number begins so.
_AS_OF: Final = "as_of"
_E164: Final = re.compile(r"\+([1-9]\d{3,14})", re.ASCII)
#: Connections, and so commands at once; each holds one of its `tcp_children` for a moment.
_CONNECTIONS: Final = 4
_NO_KEY: Final = "Key name doesn't exist in htable."
_KEY_NOT_FOUND: Final = "Key not found in htable."

#: What `htable.listTables` tells of a table, the only good value, and the remedy.
_UNSAFE: Final = (
    ("dbtable", "", "a restart brings old allowances back", "no dbtable in its modparam"),
    ("expire", 0, "its entries expire by themselves", "no autoexpire in its modparam"),
)


class Kamailio:
    """Keeps the numbers that may be called in an htable, by JSON-RPC over HTTP."""

    class Config(protocol.SinkConfig):
        """Which proxy, which table, what its calls are for."""

        url: Annotated[
            HttpUrl,
            Field(description="http(s):// address that its xhttp gives to jsonrpc_dispatch()."),
        ]
        secret: Annotated[
            PlainSecret,
            Field(description="What noli.cfg calls NOLI_SECRET; sent as a bearer token."),
        ]
        table: Annotated[
            str, Field(pattern=r"^[A-Za-z0-9_]{1,32}$", description="Name of the htable.")
        ] = "noli"
        channel: Annotated[
            Literal["operator_call", "automated_call"], Field(description="What its calls are.")
        ] = "operator_call"
        purpose: coarse.ForPurpose = Purpose.MARKETING
        brand: coarse.OfBrand = EVERY_BRAND
        timeout_s: Annotated[
            float, Field(gt=0, le=60, description="For one command, in seconds.")
        ] = 10.0
        batch: Annotated[int, Field(ge=1, le=1000, description="Most numbers at once.")] = 200
        ca_file: Authorities = None

    def __init__(self, config: Config, app: str) -> None:  # noqa: ARG002 - it asks no name
        self._config = config
        self._scope = Scope(config.channel, config.purpose, config.brand)
        self._way = Egress(
            url=config.url,
            timeout_s=config.timeout_s,
            keep=_CONNECTIONS,
            allow_private=True,  # a proxy's commands are nobody's business outside
            ca_file=config.ca_file,
        )
        self.traits = coarse.traits(config.batch, volatile=True)  # an htable is memory

    async def check(self) -> Sequence[Problem]:
        """Whether it takes our commands and has the table. Writes nothing."""
        try:
            answer = await self._said("htable.listTables")
        except Retry as error:
            return await self._way.check() or [
                Problem(f"config.url: {error.reason}", "see url, secret and event_route there")
            ]
        tables = {table["name"]: table for table in answer.get("result", ())}
        found = tables.get(self._config.table)
        if found is None:
            remedy = f'put modparam("htable", "htable", "{self._config.table}=>size=16;") there'
            return [Problem(f"config.table: there is no htable {self._config.table}", remedy)]
        return [
            Problem(f"config.table: {what} ({field})", remedy)
            for field, good, what, remedy in _UNSAFE
            if found.get(field) != good
        ]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """One command per number; then each is read back."""
        said = together(changes, self._scope, _number)
        asks = [partial(self._set, number, told) for number, told in said.items()]
        results = dict(zip(said, await few_at_once(_CONNECTIONS, asks), strict=True))
        bad = Reject("not_a_number")
        return [results.get(_number(change.contact) or "", bad) for change in changes]

    async def read_back(self, subjects: Sequence[protocol.Subject]) -> Mapping[str, Held]:
        """Whether a call to the number would pass now."""
        named = [(s.token, number) for s in subjects if (number := _number(s.contact))]
        asks = [partial(self._until_s, number) for _, number in named]
        untils = await few_at_once(_CONNECTIONS, asks)
        now_s = now_ms() // _S
        return {
            token: Held(None, {self._scope: until_s > now_s})
            for (token, _), until_s in zip(named, untils, strict=True)
        }

    async def renew(self, as_of: int) -> None:
        """Its route refuses everybody once this is older than its lease."""
        answer = await self._said("htable.seti", self._config.table, _AS_OF, as_of // _S)
        if _message(answer):
            raise Retry(_code(answer))

    async def aclose(self) -> None:
        """Close the kept connections."""
        await self._way.aclose()

    async def _set(self, number: str, said: Rounded) -> Result:
        until_s = min(said.until // _S, _LAST_S)
        if said.until == DENIED:
            answer = await self._said("htable.delete", self._config.table, number)
            good = _message(answer) in {"", _KEY_NOT_FOUND}
        else:
            answer = await self._said("htable.seti", self._config.table, number, until_s)
            good = _message(answer) == ""
        if not good:
            return Retry(_code(answer))
        # A table that is full says that the key was set, and has it not.
        return said.applied() if await self._until_s(number) == until_s else Retry("not_kept")

    async def _until_s(self, number: str) -> int:
        """The end of the allowance, s since the epoch; 0: none. Raises `Retry`."""
        answer = await self._said("htable.get", self._config.table, number)
        if "error" not in answer:
            value = answer["result"]["item"]["value"]
            return value if isinstance(value, int) else _LAST_S  # somebody's: not what we set
        if _message(answer) in {_NO_KEY, _KEY_NOT_FOUND}:
            return DENIED
        raise Retry(_code(answer))

    async def _said(self, method: str, *params: str | int) -> Mapping[str, Any]:
        """Kamailio's answer, an error of its own too. Raises `Retry` where none came."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        bearer = f"Bearer {self._config.secret.get_secret_value()}"
        headers = {"Authorization": bearer, "Content-Type": "application/json"}
        answer = await self._way.ask(Asked(body=orjson.dumps(call), headers=headers))
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise Retry("secret_refused")
        try:
            found = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise Retry(f"http_{answer.status}_is_no_json_rpc") from None
        if not isinstance(found, dict) or not found.keys() & {"result", "error"}:
            raise Retry("no_json_rpc")
        return found


def _number(contact: Contact | None) -> str | None:
    """E.164 without its plus, an Italian landline with its zero; None: no number."""
    found = _E164.fullmatch(contact.value) if contact and contact.kind == Kind.PHONE else None
    return found[1] if found else None


def _message(answer: Mapping[str, Any]) -> str:
    """Kamailio's words of an error; empty: it was none."""
    error = answer.get("error")
    return "" if error is None else str(error.get("message", "an error"))


def _code(answer: Mapping[str, Any]) -> str:
    return "no_such_table" if _message(answer) == "No such htable" else "kamailio_error"
