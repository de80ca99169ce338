"""`GET /v1/stream`: the board as server-sent events, for a browser's EventSource and programs.

`board` is all of it, `change` what to lay over it, `beat` says that nothing changed. A client that
comes back with `Last-Event-ID` gets what it missed, or all of it where that is no longer kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from noli.board.hub import Hub
from noli.runtime.clock import now_ms
from noli.runtime.eventstream import RETRY, Events, event
from noli.runtime.logging import get_logger
from noli.runtime.metrics import board as metrics

log = get_logger()

#: Streams at once. A tab is one; past 200 somebody shares the page in a way it is not made for.
AT_ONCE: Final = 200
#: Seconds without a change after which a client is told that we live.
HEARTBEAT_S: Final = 5.0
#: A client that takes nothing for so many seconds is cut off.
CUT_S: Final = 20.0


def response(
    hub: Hub, place: str | None, admitted: Callable[[], bool], over: Callable[[], None]
) -> Events:
    """The stream of one client, that stood at `place`.

    It ends once `admitted` says no, looked at with every piece: a key may be revoked meanwhile.
    """
    metrics.STREAMS.inc()

    def end() -> None:
        metrics.STREAMS.dec()
        over()

    return Events(_events(hub, place, admitted), over=end, cut_s=CUT_S)


async def _events(
    hub: Hub, place: str | None, admitted: Callable[[], bool]
) -> AsyncIterator[bytes]:
    yield RETRY
    number = hub.stood(place)
    if number is None:
        number = hub.number
        yield hub.whole()
    while True:
        number, piece = await _next(hub, number)
        if not admitted():
            return
        if piece is None:
            metrics.DROPPED.inc()
            log.warning("stream.slow", reason="more changed than is kept for a slow client")
            yield event("slow", hub.place, {"why": "you read too slowly; come back"})
            return
        yield piece


async def _next(hub: Hub, number: int) -> tuple[int, bytes | None]:
    """Where a client that stands there stands next, and what it is to be told until then.

    None: it missed more than is kept.
    """
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            await hub.later(number)
    except TimeoutError:
        return number, hub.beat(number, now_ms())
    return hub.number, hub.since(number)
