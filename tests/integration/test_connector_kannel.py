"""Messages through a real Kannel, and the list it fetches."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from connectors.protocol import Applied, Change, Contact, Reject, Result, Retry, Subject
from connectors.sinks.kannel import Kannel
from connectors.testing import TEXTS, a_change, a_verdict, new_token
from noli.cli.stack import ports
from noli.domain.channel import Kind
from tests.support.blackbox import until
from tests.support.kannel import OWN, WAIT_S, Gateway, kannel


def phone(value: str) -> Contact:
    """A number, normalised."""
    return Contact(Kind.PHONE, value)


def allowed(value: str, token: str | None = None) -> Change:
    """Marketing messages to the number are allowed."""
    return a_change(token, 1, a_verdict(TEXTS, allowed=True), contact=phone(value))


def denied(value: str, token: str | None = None) -> Change:
    """They are denied."""
    return a_change(token, 2, a_verdict(TEXTS), contact=phone(value))


@asynccontextmanager
async def opened(gateway: Gateway, **over: Any) -> AsyncIterator[Kannel]:  # noqa: ANN401
    """A sink of the gateway."""
    target = Kannel(gateway.config(**over), "sms")
    try:
        yield target
    finally:
        await target.aclose()


async def apply(gateway: Gateway, file: Path, *changes: Change) -> Sequence[Result]:
    """What a sink with that list answers."""
    async with opened(gateway, file=file) as target:
        return await target.apply(changes)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Of an empty list."""
    return tmp_path / "list.txt"


@pytest.fixture
def own_gateway() -> Iterator[Gateway]:
    """A gateway for tests that stop it, or that it does not survive."""
    with kannel() as found:
        yield found


@pytest.mark.rule("OBJECT")
async def test_a_message_is_sent_until_the_number_objects(
    kannel_gateway: Gateway, file: Path
) -> None:
    """It reaches the message centre; afterwards Kannel takes none."""
    who, token = "+393480000001", new_token()
    assert not kannel_gateway.send(who)
    assert await apply(kannel_gateway, file, allowed(who, token)) == [Applied()]
    assert kannel_gateway.send(who)
    until(lambda: kannel_gateway.sent(who), "the message at the centre", WAIT_S)
    assert await apply(kannel_gateway, file, denied(who, token)) == [Applied()]
    assert not kannel_gateway.send(who)


async def test_only_that_number_is_opened(kannel_gateway: Gateway, file: Path) -> None:
    """With its country code, in each way of writing that; not one with the same last digits."""
    await apply(kannel_gateway, file, allowed("+393480000002"), allowed("+390612345678"))
    open_ones = ("+393480000002", "00393480000002", "393480000002", "+390612345678")
    shut_ones = ("3480000002", "+493480000002", "480000002", "+39612345678", "0612345678")
    assert [kannel_gateway.send(number) for number in open_ones] == [True] * 4
    assert [kannel_gateway.send(number) for number in shut_ones] == [False] * 5


async def test_what_people_write_to_us_still_comes_in(own_gateway: Gateway, file: Path) -> None:
    """Kannel asks the list for incoming messages too: our own number always stands on it."""
    assert own_gateway.heard.get(timeout=WAIT_S) == "/?text=STOP"
    await apply(own_gateway, file, denied("+393480000003"))
    async with opened(own_gateway, file=file) as target:
        await target.serve()
        assert not own_gateway.send("+393480000003")
        assert own_gateway.send(OWN)


async def test_an_allowance_that_ended_is_none(kannel_gateway: Gateway, file: Path) -> None:
    """The list knows no time: what has ended goes off it."""
    token, who = new_token(), "+393480000004"
    await apply(kannel_gateway, file, allowed(who, token))
    ended = a_change(token, 2, a_verdict(TEXTS, allowed=True, until=1), contact=phone(who))
    assert await apply(kannel_gateway, file, ended) == [Applied()]
    assert not kannel_gateway.send(who)


async def test_one_that_is_no_number_holds_no_other_back(
    kannel_gateway: Gateway, file: Path
) -> None:
    """It is refused alone."""
    good = "+393480000005"
    first, second = await apply(kannel_gateway, file, allowed("+3934\n+39348"), allowed(good))
    assert isinstance(first, Reject)
    assert second == Applied()
    assert kannel_gateway.send(good)


async def test_read_back_sees_the_file_as_it_is(kannel_gateway: Gateway, file: Path) -> None:
    """A list of yesterday that somebody put back is found."""
    change = denied("+393480000006")
    await apply(kannel_gateway, file, change)
    file.write_text("+393480000006\n")  # noqa: ASYNC240 - somebody else does it
    async with opened(kannel_gateway, file=file) as target:
        held = await target.read_back([Subject(change.token, change.contact)])
    assert held[change.token].allowed == {TEXTS: True}


async def test_a_list_that_cannot_be_read_is_an_empty_one(
    kannel_gateway: Gateway, file: Path
) -> None:
    """Kannel is told that nobody may be written to, rather than nothing."""
    who = "+393480000007"
    await apply(kannel_gateway, file, allowed(who))
    file.unlink()  # noqa: ASYNC240 - somebody else does it
    async with opened(kannel_gateway, file=file) as target:
        await target.serve()
    assert not kannel_gateway.send(who)


async def test_a_kannel_that_lost_its_list_is_suspended(own_gateway: Gateway, file: Path) -> None:
    """It would send to anybody: suspended at once, told by `check`, well after a new start."""
    async with opened(own_gateway, file=file) as target:
        assert await target.apply([denied("+393480000008")]) == [Applied()]
    own_gateway.command("reload-lists")  # by hand, while nobody serves the list
    assert own_gateway.send("+393480000008"), "Kannel learned better: this sink may become simpler"
    async with opened(own_gateway, file=file) as target:
        with pytest.raises(Retry, match="kannel_forgot_the_list"):
            await target.apply([denied("+393480000008")])
        (problem,) = await target.check()
        assert "suspended" in problem.what
        own_gateway.stop()
        await asyncio.to_thread(own_gateway.start_bearerbox)  # it fetches the list from here
        await asyncio.to_thread(own_gateway.start_others)
        assert await target.apply([denied("+393480000008")]) == [Applied()]
        assert await target.check() == []
        assert not own_gateway.send("+393480000008")


async def test_a_stop_in_the_middle_does_not_cost_the_list(
    own_gateway: Gateway, file: Path
) -> None:
    """A change that is cut off lets Kannel, already asked, fetch its list."""
    bearerbox = psutil.Process(own_gateway.boxes["bearerbox"].pid)
    async with opened(own_gateway, file=file) as target:
        await target.apply([allowed("+393480000011")])
        bearerbox.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await target.apply([denied("+393480000012")])
        bearerbox.send_signal(signal.SIGCONT)
    assert own_gateway.send("+393480000011")
    assert not own_gateway.send("+393480000012")


def test_kannel_does_not_start_without_the_list(own_gateway: Gateway) -> None:
    """While nobody serves it, nothing can be sent at all."""
    own_gateway.stop()
    own_gateway.launch_bearerbox()
    assert own_gateway.boxes["bearerbox"].gone.wait(WAIT_S)
    assert own_gateway.boxes["bearerbox"].code == 1


async def test_a_kannel_that_fetches_elsewhere_is_not_confirmed(
    kannel_gateway: Gateway, file: Path
) -> None:
    """A fetch that was not seen here confirms nothing."""
    key = "another-secret-of-the-list"
    async with (
        opened(kannel_gateway, file=file) as target,
        opened(
            kannel_gateway, file=file, key=key, listen=f"127.0.0.1:{ports.choose(['no'])['no']}"
        ) as other,
    ):
        await target.serve()
        with pytest.raises(Retry, match="kannel_did_not_fetch"):
            await other.apply([allowed("+393480000009")])


async def test_a_port_that_is_taken_loads_nothing(kannel_gateway: Gateway, file: Path) -> None:
    """A second connector of the same list waits, and does not make Kannel forget it."""
    async with (
        opened(kannel_gateway, file=file) as first,
        opened(kannel_gateway, file=file) as second,
    ):
        await first.apply([allowed("+393480000010")])
        with pytest.raises(Retry, match="not_listening"):
            await second.apply([denied("+393480000010")])


@pytest.mark.parametrize(
    "over, expected",
    [
        ({"password": "another"}, "config.url: password_refused"),
        ({"url": "http://127.0.0.1:1"}, "config.url: 127.0.0.1:1: Connect call failed"),
    ],
)
async def test_check_names_what_is_wrong(
    kannel_gateway: Gateway, over: dict[str, str], expected: str
) -> None:
    """The password, and a Kannel that is not there."""
    async with opened(kannel_gateway, **over) as target:
        (problem,) = await target.check()
    assert problem.what.startswith(expected)
    assert problem.remedy
