"""The hashes, as a dialer sees them, on a real Redis."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import from_url

from connectors.protocol import Change, Reject, Retry, Subject, Verdict
from connectors.sinks.redis import FOR_EVER, Redis
from connectors.testing import CALLS, NOW_MS, TEXTS, a_change, a_verdict, new_token
from noli.cli.stack import ports
from noli.cli.stack.program import until
from tests.support.servers import START_S, installed, redis_answers, running, scratch
from tests.support.sinks import applied

_numbers = itertools.count(1)
PHONE = "+393331234567"
FIELD = ":".join(CALLS)


class Keys:
    """A prefix of its own, with its sink and a dialer's connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.prefix = f"t{next(_numbers)}"
        self.dialer = from_url(url, decode_responses=True)

    def sink(self, **over: Any) -> Redis:  # noqa: ANN401 - fields of Config
        """A sink of the prefix."""
        config = {"url": self.url, "prefix": self.prefix, "timeout_s": 5, **over}
        return Redis(Redis.Config.model_validate(config), "dialer")

    async def apply(self, *changes: Change) -> None:
        """Apply and close."""
        await applied(self.sink(), changes)

    async def until(self, field: str = FIELD, controller: str = "acme") -> int | None:
        """The one line a dialer asks."""
        found = await self.dialer.hget(f"{self.prefix}:{controller}:{PHONE}", field)
        return None if found is None else int(found)

    async def dump(self) -> str:
        """Every key and value under the prefix."""
        keys = [key async for key in self.dialer.scan_iter(f"{self.prefix}*")]
        hashes = [await self.dialer.hgetall(key) for key in keys if ".tokens:" not in key]
        return repr((sorted(keys), hashes))


@pytest.fixture
async def keys(redis_url: str) -> AsyncIterator[Keys]:
    """An empty prefix."""
    found = Keys(redis_url)
    yield found
    await found.dialer.aclose()


async def test_a_dialer_reads_until_when_it_is_allowed(keys: Keys) -> None:
    """A moment; 0 where denied; nothing where nothing is known; the reasons beside it."""
    denied = Verdict(*TEXTS, False, ("OBJECTED",), ())
    await keys.apply(a_change(None, 1, a_verdict(allowed=True, until=NOW_MS), denied))
    assert await keys.until() == NOW_MS
    assert await keys.until("sms:marketing:*") == 0
    assert await keys.until("mms:marketing:*") is None
    assert await keys.until(controller="other") is None
    why = await keys.dialer.hget(f"{keys.prefix}:acme:{PHONE}", "why:sms:marketing:*")
    assert why == '{"reasons":["OBJECTED"],"conditions":[]}'


async def test_an_erased_contact_leaves_no_value_behind(keys: Keys) -> None:
    """Readers find nothing, no key holds the value, and the version still guards the token."""
    token = new_token()
    await keys.apply(a_change(token, 1, a_verdict(allowed=True)))
    await keys.apply(a_change(token, 2, Verdict(*CALLS, False, ("ERASED",)), contact=None))
    await keys.apply(a_change(token, 1, a_verdict(allowed=True)))
    assert await keys.until() is None
    assert PHONE not in await keys.dump()
    assert token in await keys.dump()


async def test_a_contact_of_two_tokens_needs_both(keys: Keys) -> None:
    """While the key of the tokens changes, a contact has two: one denial is enough."""
    red = (*CALLS[:2], "red")
    first, second = new_token(), new_token()
    await keys.apply(
        a_change(first, 1, a_verdict(allowed=True), a_verdict(TEXTS, allowed=True)),
        a_change(second, 1, a_verdict(allowed=True, until=NOW_MS), a_verdict(red)),
    )
    assert await keys.until() == NOW_MS
    assert await keys.until(":".join(red)) == 0
    assert await keys.until(":".join(TEXTS)) == 0
    await keys.apply(a_change(second, 2, a_verdict(), contact=None))
    assert await keys.until() == FOR_EVER


async def test_a_stale_writer_beside_a_newer_one_changes_nothing(keys: Keys) -> None:
    """Two sinks at once, many times over: the newer version stands, with no field of the older."""
    tokens = [new_token() for _ in range(20)]
    newer = [a_change(token, 9, a_verdict()) for token in tokens]
    older = [a_change(t, 8, a_verdict(allowed=True), a_verdict(TEXTS)) for t in tokens]
    await asyncio.gather(*(keys.apply(c) for pair in zip(newer, older, strict=True) for c in pair))
    for token in tokens:
        record = await keys.dialer.hgetall(f"{keys.prefix}.token:{token}")
        assert (record["version"], record[FIELD], ":".join(TEXTS) in record) == ("9", "0", False)
    assert await keys.until() == 0


async def test_one_that_cannot_be_written_holds_no_other_back(keys: Keys) -> None:
    """A key of somebody else is waited for, half a character is refused, the third is written."""
    taken, broken, good = a_change(), a_change(), a_change()
    await keys.dialer.set(f"{keys.prefix}.token:{taken.token}", "not ours")
    assert broken.contact is not None
    broken = broken._replace(contact=broken.contact._replace(value="\ud800"))
    sink = keys.sink()
    first, second, third = await sink.apply([taken, broken, good])
    await sink.aclose()
    assert isinstance(first, Retry)
    assert isinstance(second, Reject)
    assert (first.reason, second.reason) == ("redis_WRONGTYPE", "not_text")
    assert not isinstance(third, Retry | Reject)
    assert await keys.until() == 0


async def test_read_back_sees_what_readers_see(keys: Keys) -> None:
    """A field that somebody else set to allowed is found, though the token's record denies it."""
    change = a_change()
    await keys.apply(change)
    await keys.dialer.hset(f"{keys.prefix}:acme:{PHONE}", FIELD, str(FOR_EVER))
    sink = keys.sink()
    held = await sink.read_back([Subject(change.token, change.contact)])
    await sink.aclose()
    assert held[change.token].allowed == {CALLS: True}


async def test_check_names_what_would_lose_an_objection() -> None:
    """No append-only file and an eviction of any key: both are told, and a wrong password."""
    port = ports.choose(["redis"])["redis"]
    program = installed("redis-server", "redis-server")
    argv = [program, "--bind", ports.HOST, "--port", str(port), "--save", "", "--requirepass", "x"]
    argv += ["--maxmemory-policy", "allkeys-lru"]
    with scratch("redis") as root, running("redis", [*argv, "--dir", str(root)], root) as up:
        right, wrong = (f"redis://:{word}@{ports.HOST}:{port}/0" for word in ("x", "not-the-one"))
        until(lambda: redis_answers(right), up, START_S)
        sinks = [Redis(Redis.Config.model_validate({"url": url}), "d") for url in (right, wrong)]
        found = [[p.what for p in await sink.check()] for sink in sinks]
        for sink in sinks:
            await sink.aclose()
    assert found == [
        [
            "config.url: the server may forget objections in a crash (aof_enabled)",
            "config.url: the server may evict versions (maxmemory_policy)",
        ],
        ["config.url: redis_AuthenticationError"],
    ]


async def test_the_script_is_loaded_again_after_it_was_flushed(keys: Keys) -> None:
    """A server that was replaced knows no script: it is told it, within the same `apply`."""
    sink = keys.sink()
    await sink.apply([a_change()])
    await keys.dialer.script_flush()
    await sink.apply([a_change()])
    await sink.aclose()
    assert await keys.until() == 0


def test_the_address_is_not_quoted_when_it_cannot_be_read() -> None:
    """An error of the manifest names the field, not the password in it."""
    with pytest.raises(ValueError, match="write redis://user@host") as caught:
        Redis.Config.model_validate({"url": "http://:hunter2@host"})
    assert "hunter2" not in str(caught.value)
