"""The intake without its broker: a sink that remembers, and a client that speaks to the service."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx2

from noli.domain.token import Pepper
from noli.intake import apps as apps_over_http
from noli.intake.accept import Intake
from noli.intake.links import Links
from noli.intake.recent import Recent
from noli.intake.routing import Router
from noli.intake.service import Parts, application
from noli.runtime import apikeys
from noli.runtime.apikeys import Keyring
from noli.runtime.apps import Desk
from noli.runtime.kafka import NotDurable, Outgoing, Placed
from noli.runtime.scan import LogUnavailable
from noli.runtime.standing import Standing
from noli.wire.apps import App, folded
from schemas.codec import RECORDS, Codec
from schemas.names import APPS

PEPPER: Final = Pepper(1, bytes(range(32)))
CONTROL_PARTITIONS: Final = 3
PARTY_PARTITIONS: Final = 2
#: 2026-11-22T10:15:00.250Z
ACCEPTED: Final = 1_795_342_500_250


def codec() -> Codec:
    """Schema ids as a registry would give them."""
    return Codec({record: number for number, record in enumerate(RECORDS, 1)})


class Memory:
    """A sink: what it took, in order. `failure` is raised instead; `gate`, when set, is awaited."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.sends = 0
        self.failure: NotDurable | None = None
        self.gate: asyncio.Event | None = None
        self.asked = asyncio.Event()

    async def send_many(self, records: Sequence[Outgoing]) -> list[Placed]:
        """Places with offsets that count up over the sink's life."""
        self.sends += 1
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        first = len(self.records)
        self.records.extend(records)
        return [
            Placed(record.topic, record.partition or 0, first + index, ACCEPTED)
            for index, record in enumerate(records)
        ]

    async def send(self, topic: str, key: bytes | None, value: bytes) -> Placed:
        """One record."""
        return (await self.send_many([Outgoing(topic, key, value)]))[0]

    def intents(self, *topics: str) -> list[dict[str, Any]]:
        """Decoded values of the records of those topics (all by default), in order."""
        read = codec()
        return [
            read.decode(record.value)[1]
            for record in self.records
            if not topics or record.topic in topics
        ]


class Register:
    """The applications a `Memory` holds, aligned as of `ACCEPTED`; `failure` is raised instead."""

    def __init__(self, sink: Memory) -> None:
        self._sink = sink
        self.failure: LogUnavailable | None = None

    async def apps(self) -> dict[str, App]:
        """As the records say."""
        if self.failure is not None:
            raise self.failure
        found: dict[str, App] = {}
        for record in self._sink.records:
            if record.topic == APPS:
                found = folded(found, *codec().decode(record.value))
        return found

    async def standings(self, apps: Sequence[App]) -> list[Standing]:
        """All alike."""
        return [Standing(app, ACCEPTED, 0, CONTROL_PARTITIONS) for app in apps]


class Service:
    """The whole application over a `Memory`, with one API key per scope."""

    def __init__(self, folder: Path, sink: Memory, *, events_per_s: int = 1_000_000) -> None:
        pairs = {scope: apikeys.new(f"for {scope}", [scope]) for scope in apikeys.SCOPES}
        self.keys = {scope: key for scope, (key, _) in pairs.items()}
        self.key_file = folder / "keys.json"
        apikeys.write(self.key_file, [line for _, line in pairs.values()])
        self.ready: tuple[bool, dict[str, object]] = (True, {})
        self.clock = itertools.count(ACCEPTED)
        self.links = Links([PEPPER])
        self.intake = Intake(
            sink,
            codec(),
            Router(PEPPER, CONTROL_PARTITIONS, PARTY_PARTITIONS),
            Recent(1000),
            lambda: next(self.clock),
        )
        keyring = Keyring(self.key_file)
        self.register = Register(sink)
        self.desk = Desk(sink, codec(), APPS)
        office = apps_over_http.Office(self.register, self.desk, keyring, lambda: self.ready)
        parts = Parts(self.intake, keyring, self.links, events_per_s, lambda: next(self.clock))
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(
                application(parts, lambda: self.ready, apps_over_http.routes(office))
            ),
            base_url="http://intake.test",
            headers={"Authorization": f"Bearer {self.keys['events:write']}"},
        )

    async def post(self, content: Any, **headers: str) -> httpx2.Response:  # noqa: ANN401 - JSON
        """Post events; header names with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(
            "/v1/events",
            content=content if isinstance(content, bytes) else json.dumps(content),
            headers={"Content-Type": "application/json", **named},
        )


#: Takes a member out of an event's data.
ABSENT: Final = "(absent)"

_ids: Iterator[int] = itertools.count(1)


def event(kind: str = "objection.raised", *, phone: str = "+393331234567", **over: Any) -> Any:  # noqa: ANN401 - JSON
    """A CloudEvent of a type, about a phone number; `over` replaces members, `data` is merged."""
    data = {"controller": "acme", "contact": {"kind": "phone", "value": phone}}
    data |= over.pop("data", {})
    return {
        "specversion": "1.0",
        "id": f"e{next(_ids)}",
        "source": "/test",
        "type": f"noli.{kind}.v1",
        "time": "2026-11-22T10:00:00Z",
        "data": {name: value for name, value in data.items() if value != ABSENT},
    } | over


def consent(**over: Any) -> Any:  # noqa: ANN401 - JSON
    """A consent to marketing by SMS that nothing is wrong with."""
    form = {"purpose": "marketing", "channels": ["sms"], "evidence": {"ref": "form-7"}}
    return event("consent.given", data={**form, **over.pop("data", {})}, **over)


class Through(httpx2.BaseTransport):
    """A blocking transport into a `Service`, for the clients of the command line."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._runner = asyncio.Runner()
        #: Answers given instead of the service's, first to last.
        self.instead: list[httpx2.Response | Exception] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Run one request on a loop of its own."""
        if self.instead:
            answer = self.instead.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        return self._runner.run(self._ask(request))

    async def _ask(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._service.client.request(
            request.method, request.url.path, content=request.read(), headers=request.headers
        )
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def end(self) -> None:
        """End the loop; clients may come and go before."""
        self._runner.close()
