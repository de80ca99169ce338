"""`GET /v1/changes`: verdict changes as server-sent events (WHATWG HTML, 9.2).

Each event's `id` is a place in the log, so a client that comes back with `Last-Event-ID` misses
nothing. A client that reads slowly is not waited for without bound, and nothing is kept for it:
what it has not taken stays in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import Response

from noli.domain import times
from noli.replica.changes.feed import Told
from noli.replica.follow import LogUnavailable
from noli.replica.gate import Gate
from noli.replica.head import Head, Refused
from noli.runtime import eventstream
from noli.runtime.apikeys import Keyring
from noli.runtime.clock import steady
from noli.runtime.logging import get_logger
from noli.runtime.problem import Problem, unavailable
from noli.runtime.registry import RegistryUnavailable
from noli.runtime.slots import Slots

log = get_logger()

#: Streams at once: each has a consumer and a thread.
AT_ONCE: Final = 32

#: Seconds without a change after which a client is told that we live, and where it stands.
HEARTBEAT_S: Final = 5.0

#: Seconds that a client may leave us waiting: it is told so and let go, or cut off.
SLOW_S: Final = 5.0
CUT_S: Final = 30.0

#: After which a client asks again whether the log is there, in seconds.
_RETRY_AFTER_S: Final = 5


class Feed(Protocol):
    """What is used of `noli.replica.changes.feed.Feed`; its calls block."""

    def start(self, wanted: str | None, copy: Head) -> str | None:
        """Begin."""

    def again(self, copy: Head) -> None:
        """Begin anew."""

    def read(self) -> list[Told]:
        """What is new."""

    def at(self) -> str:
        """The place."""

    def as_of(self) -> int | None:
        """How fresh."""

    def close(self) -> None:
        """Leave."""


Feeds = Callable[[Collection[str]], Feed]


class _Stream:
    """One client: a feed on a thread of its own."""

    def __init__(self, gate: Gate) -> None:
        self.slow = False
        self._gate = gate
        self._thread = ThreadPoolExecutor(1, "changes")
        self._feed: Feed | None = None
        self._lost: str | None = None

    async def open(self, make: Callable[[], Feed], wanted: str | None) -> None:
        """Begin. Raises `Problem` 422 for what is no place, 503 where there is none to begin."""
        try:
            head = self._gate.head()
            self._feed = await self._do(make)
            self._lost = await self._do(partial(self._feed.start, wanted, head))
        except ValueError as error:
            detail = "from: give `beginning`, or the id of an event"
            raise Problem(422, "refused", detail) from error
        except (Refused, LogUnavailable, RegistryUnavailable) as error:
            raise unavailable(f"no changes now: {error}", _RETRY_AFTER_S) from error

    async def events(self) -> AsyncIterator[bytes]:
        """The stream's bytes, until the client leaves, is too slow, or the log fails."""
        yield eventstream.RETRY
        yield self._reset(self._lost) if self._lost else self._position()
        beat_at = steady() + HEARTBEAT_S
        while not self.slow:
            try:
                told = await self._do(self._known.read)
            except Refused as refusal:
                await self._do(partial(self._known.again, self._gate.head()))
                yield self._reset(str(refusal))
                continue
            if told:
                yield b"".join(eventstream.event("change", each.at, each.data) for each in told)
                beat_at = steady() + HEARTBEAT_S
            elif steady() >= beat_at:
                yield b": heartbeat\n\n" + self._position()
                beat_at = steady() + HEARTBEAT_S
        why = f"the client took longer than {SLOW_S:g} s; come back with Last-Event-ID"
        log.warning("changes.slow", reason=why)
        yield eventstream.event("slow", self._known.at(), {"why": why})

    def waited(self, seconds: float) -> None:
        """The client took so long for a piece."""
        self.slow |= seconds > SLOW_S

    def close(self) -> None:
        """Let go of the feed, once its thread is done with it."""
        if self._feed is not None:
            self._thread.submit(self._feed.close)
        self._thread.shutdown(wait=False)

    @property
    def _known(self) -> Feed:
        assert self._feed is not None  # noqa: S101 - `open` made it
        return self._feed

    async def _do(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the call gives
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _position(self) -> bytes:
        as_of = self._known.as_of()
        data = {"as_of": None if as_of is None else times.text(as_of)}
        return eventstream.event("position", self._known.at(), data)

    def _reset(self, why: str) -> bytes:
        remedy = "forget every verdict held, ask /v1/decisions again; changes go on from here"
        return eventstream.event("reset", self._known.at(), {"why": why, "remedy": remedy})


def changes_handler(
    gate: Gate, keyring: Keyring, feeds: Feeds
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint: 200 and a stream without an end, or 4xx, or 503 where the log is not there."""
    slots = Slots()

    async def get_changes(request: Request) -> Response:
        headers, query = request.headers, request.query_params
        keyring.authorise(headers.get("authorization"), headers.get("x-api-key"), "decisions:read")
        wanted = headers.get("last-event-id") or query.get("from") or None
        slots.take(AT_ONCE, f"{AT_ONCE} streams are open; share one between processes of a host")
        stream = _Stream(gate)
        try:
            await stream.open(partial(feeds, query.getlist("controller")), wanted)
        except BaseException:
            stream.close()
            slots.free()
            raise

        def over() -> None:
            stream.close()
            slots.free()

        return eventstream.Events(stream.events(), waited=stream.waited, over=over, cut_s=CUT_S)

    return get_changes
