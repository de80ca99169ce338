"""Silent calls from the dialer's post to the lookup's denial and the inspector's report."""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import blackbox
from tests.support.blackbox import CONTROLLER, Contact, Event, consent, event, query, until
from tests.support.world import World, opened

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One stack with two applications that serve calls among others."""
    with opened(tmp_path_factory.mktemp("campaigns")) as found:
        yield found


def number() -> Contact:
    """A number that no other test uses."""
    return "phone", f"+39303{uuid.uuid4().int % 10**7:07d}"


def call(kind: str, campaign: str, **over: Any) -> Event:  # noqa: ANN401 - fields of the event
    """An answered call to somebody."""
    said = {"campaign": campaign, "cut_after_ms": 2_000, "comfort_noise": True, **over}
    return event(f"call.{kind}", number(), **said)


def report(world: World, campaign: str, *more: str) -> str:
    """`noli campaign report`, as an operator runs it."""
    return blackbox.run(
        "campaign", "report", campaign, "--controller", CONTROLLER, "--data",
        str(world.stack.data), *more,
    ).stdout  # fmt: skip


@pytest.mark.rule("SILENT-RATIO")
def test_a_campaign_is_stopped_told_and_reported(world: World) -> None:
    """Four silent calls bar its calls within seconds, and nobody else's; attended ones lift that.

    Every hold is confirmed by both applications; what is posted again is not counted again.
    """
    campaign, client, mobile = f"spring {uuid.uuid4().hex[:8]}", world.client, number()
    client.send(consent(mobile, "operator_call"))

    def reasons(name: str | None) -> list[str] | None:
        """None: allowed."""
        asked = query(mobile, "operator_call") | ({"campaign": name} if name else {})
        verdict = client.ask(asked)[0]
        return None if verdict["allowed"] else verdict["reasons"]

    until(lambda: reasons(campaign) is None, "nothing is known of campaigns")
    silent = [call("silent", campaign) for _ in range(3)]
    silent.append(call("silent", campaign, cut_after_ms=3_500, comfort_noise=False))
    client.send(*silent)
    until(lambda: reasons(campaign) == ["CAMPAIGN_SILENT_RATIO"], "the campaign goes on")
    assert reasons(None) is None
    assert reasons("another") is None
    client.send(*silent)

    def told() -> dict[str, Any]:
        whole: dict[str, Any] = json.loads(report(world, campaign, "--json"))["data"]["whole"]
        return whole

    until(lambda: told()["holds_confirmed"] == 4, "the holds are not confirmed", 60)
    whole = told()
    assert (whole["silent"], whole["holds_due"], whole["exceeded"]) == (4, 4, True)
    assert (whole["late_cuts"], whole["no_comfort_noise"]) == (1, 1)
    client.send(*(call("attended", campaign) for _ in range(134)))
    until(lambda: reasons(campaign) is None, "the ratio does not lift it")
    assert told()["silent"] == 4
    page = report(world, campaign)
    assert "Entro il limite" in page
    assert "2,99" in page
    assert report(world, campaign, "--csv").splitlines()[1].startswith(f"{CONTROLLER},{campaign},")
    listed = blackbox.run("campaign", "list", "--data", str(world.stack.data)).stdout
    assert campaign.split()[1] in listed


@pytest.mark.rule("SILENT-RATIO")
def test_a_stopped_watcher_denies_whoever_names_a_campaign(world: World) -> None:
    """Once its word is older than the lease; whoever names none is answered as ever."""
    mobile = number()
    world.client.send(consent(mobile, "operator_call"))
    named = query(mobile, "operator_call") | {"campaign": "autumn"}
    until(lambda: world.client.ask(named)[0]["allowed"], "not allowed with a campaign")
    pid = world.stack.pid("watch-0")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        until(
            lambda: world.client.ask(named)[0]["reasons"] == ["STALE_REPLICA"],
            "a watcher that is stopped is still believed", 60,
        )  # fmt: skip
        assert world.client.ask(query(mobile, "operator_call"))[0]["allowed"]
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: world.client.ask(named)[0]["allowed"], "not believed again", 60)
