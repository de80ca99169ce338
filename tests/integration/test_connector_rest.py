"""Sinks of a REST interface, where something answers that is not, or not well, what they expect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from connectors import rest
from connectors.protocol import Applied, Change, Contact, Reject, Result, Retry, Sink
from connectors.sinks.mailman import Mailman
from connectors.sinks.tryton import Tryton
from connectors.testing import MAILS, a_change, a_verdict
from noli.domain.channel import Kind
from tests.support.stubborn import Says, stubborn

ANNA: Final = "anna.rossi@example.it"
SECRET: Final = "a-secret-of-the-application"


def sink(name: str, url: str) -> Sink:
    """A sink that asks there, and gives up soon."""
    if name == "tryton":
        lists: dict[str, object] = {"key": SECRET, "user": "noli", "lists": {1: "*"}}
        return Tryton(Tryton.Config.model_validate({"url": url, "timeout_s": 0.5, **lists}), "a")
    lists = {"password": SECRET, "lists": {"news@example.it": "*"}}
    return Mailman(Mailman.Config.model_validate({"url": url, "timeout_s": 0.5, **lists}), "a")


def denial() -> Change:
    """Anna may not be written to."""
    return a_change(None, 1, a_verdict(MAILS), contact=Contact(Kind.EMAIL, ANNA))


@pytest.mark.parametrize("name", ["mailman", "tryton"])
@pytest.mark.parametrize(
    "says,reason,after",
    [
        (Says(500, body=ANNA.encode()), "http_500", None),
        (Says(429, {"Retry-After": "7"}), "http_429", 7.0),
        (Says(503, {"Retry-After": "nonsense"}), "http_503", None),
        (Says(302, {"Location": "http://127.0.0.1:1/"}), "http_302", None),
        (Says(401), "http_401", None),
        (Says(200, body=b"[", drips=True), "timeout", None),
    ],
    ids=["500", "429", "503", "302", "401", "drips"],
)
async def test_nothing_but_a_yes_confirms(
    name: str, says: Says, reason: str, after: float | None
) -> None:
    """Asked again, with the pause it wants; no redirect is followed, and nobody's words quoted."""
    with stubborn(says) as (url, asked):
        one = sink(name, url)
        with pytest.raises(Retry) as caught:
            await one.apply([denial()])
        problems = await one.check()
        await one.aclose()
    assert (caught.value.reason, caught.value.after) == (reason, after)
    assert (len(asked) > 0, ANNA in repr(problems), SECRET in repr(problems)) == (
        True,
        False,
        False,
    )
    assert [problem.what for problem in problems] == [f"config.url: {reason}"]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null"])
@pytest.mark.parametrize("name", ["mailman", "tryton"])
async def test_another_interface_at_that_address_confirms_nothing(name: str, body: bytes) -> None:
    """JSON, but not theirs: asked again, and the process lives."""
    with stubborn(Says(200, {"Content-Type": "application/json"}, body)) as (url, _):
        one = sink(name, url)
        with pytest.raises(Retry):
            await one.apply([denial()])
        assert await one.check() != []
        await one.aclose()


@pytest.mark.parametrize("name", ["mailman", "tryton"])
async def test_another_server_at_that_address_is_found_out(name: str) -> None:
    """A page that says 200 to everything is no Mailman and no Tryton."""
    with stubborn(Says(200, {"Content-Type": "text/html"}, b"<h1>It works!</h1>")) as (url, _):
        one = sink(name, url)
        problems = await one.check()
        with pytest.raises(Retry, match="no_json"):
            await one.apply([denial()])
        await one.aclose()
    assert [problem.what for problem in problems] == ["config.url: no_json"]


async def test_what_a_slow_target_leaves_of_a_batch_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is confirmed, the rest is offered again; so is what a refusal left."""
    monkeypatch.setattr(rest, "BATCH_S", -1.0)

    async def fine(_: Change) -> Result:
        return Applied()

    first, second, third = await rest.in_turn([denial()] * 3, fine)
    assert (first, type(second), type(third)) == (Applied(), Retry, Retry)
    monkeypatch.undo()
    assert await _kinds(["reject", "yes", "retry", "yes"]) == [Reject, Applied, Retry, Retry]
    with pytest.raises(Retry):
        await _kinds(["retry", "yes"])


async def _kinds(script: Sequence[str]) -> list[type]:
    """What a batch comes to where the target answers so."""
    said = iter(script)

    async def write(_: Change) -> Result:
        match next(said):
            case "reject":
                raise Reject("never")
            case "retry":
                raise Retry("later")
        return Applied()

    return [type(one) for one in await rest.in_turn([denial()] * len(script), write)]
