"""A client that does not answer any more."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NoReturn

import pytest

from connectors import inlet
from noli.runtime.settings import Settings
from schemas.names import DECISIONS
from tests.support.memlog import Log, installed


class Died(Exception):
    """Instead of the end of this process."""


async def test_a_client_that_hangs_ends_its_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever awaits a call that never returns would wait for ever, and look alive."""
    released = threading.Event()

    def hangs(_: inlet.Inlet) -> list[inlet.Happening]:
        released.wait()
        return []

    def die(name: str, error: str) -> NoReturn:
        raise Died(f"{name}: {error}")

    monkeypatch.setattr(inlet, "_HANGS_S", 0.05)
    monkeypatch.setattr(inlet, "die", die)
    monkeypatch.setattr(inlet.Inlet, "_poll", hangs)
    log = Log()
    log.create(DECISIONS, 1)
    with installed(log):
        reader = inlet.Inlet(Settings(kafka=log.address, data=tmp_path), "noli.app.crm", DECISIONS)
        with pytest.raises(Died, match=r"noli.app.crm: the Kafka client has not answered for"):
            await reader.read()
        released.set()
        await reader.aclose()
    log.close()
