"""The lookup without its process: the whole application over a copy, and a client of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import httpx2

from noli.replica.gate import Gate
from noli.replica.lookup.past import Past
from noli.replica.lookup.service import Parts, application
from noli.runtime import apikeys
from noli.runtime.apikeys import Keyring
from tests.support.copies import CONTROLLER
from tests.support.feeds import no_feeds, room
from tests.support.openapi import Description

LEASE_S: Final = 30.0

DESCRIPTION: Final = Description("noli.replica.lookup")
QUESTION: Final = {
    "controller": CONTROLLER,
    "contact": {"kind": "phone", "value": "333 123 4567"},
    "channel": "operator_call",
    "purpose": "marketing",
}


class Service:
    """The whole application over a copy, and a client that holds one key per scope."""

    def __init__(
        self, folder: Path, gate: Gate, limit: int = 50_000, past: Past | None = None
    ) -> None:
        pairs = {scope: apikeys.new(f"for {scope}", [scope]) for scope in apikeys.SCOPES}
        self.keys = {scope: key for scope, (key, _) in pairs.items()}
        apikeys.write(folder / "keys.json", [line for _, line in pairs.values()])
        self.keyring = Keyring(folder / "keys.json")
        app = application(Parts(gate, self.keyring, no_feeds, room(folder), LEASE_S, limit, past))
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://lookup.test"
        )

    async def ask(
        self, *queries: object, key: str | None = None, content: bytes | None = None
    ) -> httpx2.Response:
        """POST queries, or `content` as it is."""
        answer = await self.client.post(
            "/v1/decisions",
            content=json.dumps({"queries": queries}).encode() if content is None else content,
            headers={
                "Authorization": f"Bearer {key or self.keys['decisions:read']}",
                "Content-Type": "application/json",
            },
        )
        DESCRIPTION.check("post", "/v1/decisions", answer)
        return answer

    async def refused(self, *queries: object) -> list[str]:
        """Fields named by a 422."""
        answer = await self.ask(*queries)
        assert answer.status_code == 422
        return [error["field"] for error in answer.json()["errors"]]
