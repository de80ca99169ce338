"""An application of ours that stalls, resumes, falls silent and lies: the whole stack's number."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from noli.domain import times
from noli.runtime import registry
from noli.runtime.alignment import Board
from noli.runtime.clock import now_ms
from noli.runtime.settings import Settings
from noli.wire.alignment import OVERALL, Aligned
from tests.support.bad_app import HELD, LIES, SECRET, BadApp, bad_app, failing
from tests.support.blackbox import Client, Stack, objection, until, up
from tests.support.world import manifest

#: Older than any number of an aligned application, in ms, on a machine that does other things too.
OLD_MS = 9_000


@dataclass
class Scene:
    """A running stack, its one application, and whoever reads what is published."""

    stack: Stack
    app: BadApp
    client: Client
    board: Board

    def shown(self, name: str = "crm") -> Aligned | None:
        """As published now."""
        return self.board.look().get(name)

    def age(self, name: str = "crm") -> int:
        """How old the number is, ms; 10**9: not known."""
        found = self.shown(name)
        return 10**9 if found is None or found.as_of is None else now_ms() - found.as_of

    def object(self, number: int) -> int:
        """Somebody objects; when that was accepted, ms."""
        (answer,) = self.client.send(objection(("phone", f"+39333{number:07d}")))
        return times.parse(answer["accepted"])

    def fresh(self) -> None:
        """Wait until the application, and all together, are aligned."""
        until(lambda: max(self.age(), self.age(OVERALL)) < OLD_MS, "aligned", 60.0)

    def holds(self, why: str) -> bool:
        """Whether the application is held back by that."""
        found = self.shown()
        return found is not None and why in {hold.why for hold in found.held_by}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Aligned; what was applied last is read back every second."""
    with bad_app() as app:
        config = {
            "url": app.url, "read_back_url": app.url + HELD, "secret": SECRET,
            "allow_private_addresses": True,
        }  # fmt: skip
        reconcile = {"recent_seconds": 1.0, "every_hours": 0}
        manifest(tmp_path / "apps", "crm", "webhook", config, reconcile=reconcile)
        with up(tmp_path / "stack", tmp_path / "apps") as stack, stack.client() as client:
            found = stack.endpoints()
            settings = Settings(
                kafka=found["kafka"], registry=found["registry"], data=tmp_path / "reader"
            )
            made = Scene(stack, app, client, Board(settings, registry.codec(settings)))
            made.fresh()
            yield made
            made.board.close()


@pytest.mark.rule("ALL-ALIGNED")
@pytest.mark.timeout(400)
def test_it_is_held_by_whatever_the_application_does_not_hold(scene: Scene) -> None:
    """Down, silent, lying: never past what it does not hold; each time aligned again by itself."""
    scene.app.always(failing(503))
    accepted = scene.object(1)
    until(lambda: scene.age() > OLD_MS, "it grows old", 60.0)
    stalled = scene.shown()
    assert stalled is not None
    assert (stalled.as_of or 0) <= accepted
    assert stalled.pending >= 1
    assert "503" in (stalled.last_error or "")
    assert stalled.attempts[-1].outcome == "retried"
    scene.app.always(None)
    scene.fresh()

    pid = scene.stack.pid("connectors-crm")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    until(lambda: scene.holds("dead"), "it is held as dead", 60.0)
    os.kill(pid, signal.SIGCONT)
    scene.fresh()

    scene.app.always(LIES)
    accepted = scene.object(2)
    until(lambda: scene.holds("wrong"), "the lie is found", 60.0)
    until(lambda: scene.age() > OLD_MS, "it grows old", 60.0)
    lied = scene.shown()
    assert lied is not None
    assert (lied.as_of or 0) <= accepted
    assert {one.outcome for one in lied.wrong} == {"drifted"}
    scene.app.always(None)
    until(lambda: not scene.holds("wrong"), "it was read back and found right", 60.0)
    scene.fresh()
