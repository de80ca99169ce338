"""The lookup as a process beside the writer, asked over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from noli.runtime import apikeys
from tests.support.copies import CONTROLLER
from tests.support.replica import (
    ALLOWED,
    DENIED,
    Lab,
    laboratory,
    soon,
)
from tests.support.stack import Stack


@pytest.fixture
def lab(stack: Stack, tmp_path: Path) -> Iterator[Lab]:
    """An empty topic and no copy yet; at the end no process is left."""
    with laboratory(stack, tmp_path) as made:
        yield made


def test_the_lookup_answers_over_http(lab: Lab) -> None:
    """Writer and lookup as processes: ready once fresh, answers change with the log, quick stop."""
    key, line = apikeys.new("dialer", ["decisions:read"])
    apikeys.write(lab.folder / "keys.json", [line])
    lookup = lab.start("noli.replica.lookup")
    url = f"http://127.0.0.1:{lab.port}"
    query = {
        "controller": CONTROLLER,
        "contact": {"kind": "phone", "value": "333 000 0005"},
        "channel": "operator_call",
        "purpose": "marketing",
    }
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:

        def decided() -> Any:  # noqa: ANN401 - JSON
            return client.post("/v1/decisions", json={"queries": [query]}).json()["decisions"][0]

        def is_up() -> bool:
            try:
                return client.get("/healthz").status_code == 200
            except httpx2.TransportError:
                return False

        assert soon(is_up)
        assert client.get("/readyz").status_code == 503
        assert decided()["reasons"] == ["STALE_REPLICA"]
        lab.claim()
        lab.decide(ALLOWED, range(10))
        lab.beacon()
        lab.start()
        assert soon(lambda: client.get("/readyz").status_code == 200)
        assert decided()["allowed"]
        lab.decide(DENIED, range(10), version=2)
        assert soon(lambda: decided()["reasons"] == ["OBJECTED"])
        began = time.monotonic()
        lab.stop(lookup)
        assert time.monotonic() - began < 2
        assert lookup.returncode == 0
