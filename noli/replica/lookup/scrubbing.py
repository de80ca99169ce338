"""`POST /v1/scrub`: a list streamed in, the same list with verdicts streamed out.

A piece of some 150 rows is read, answered and sent before the next is looked at: memory stays flat,
a slow reader slows its own sender, and other questions get their turn in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from noli.replica.gate import Gate
from noli.replica.lookup.slots import Slots
from noli.replica.scrub.asked import CSV, NDJSON, Asked, Unusable
from noli.replica.scrub.lines import Lines
from noli.replica.scrub.reading import Opening, Reading
from noli.replica.scrub.sheet import Sheet
from noli.runtime.apikeys import Keyring
from noli.runtime.problem import Problem

#: Bytes of a piece: 1 to 2 ms of work.
PIECE: Final = 8_192

#: Lists under way at once; more would only slow each other and everybody's single questions.
AT_ONCE: Final = 4

#: Seconds in which a sender must send something, and a reader must read something.
STALL_S: Final = 60.0

_MEDIA: Final = {
    "text/csv": CSV,
    "text/tab-separated-values": CSV,
    "application/x-ndjson": NDJSON,
    "application/ndjson": NDJSON,
    "application/jsonl": NDJSON,
}


class _Flowing(StreamingResponse):
    """Starlette's would read, and throw away, what is still to come of the request."""

    def __init__(self, content: AsyncIterator[bytes], media: str, over: Callable[[], None]) -> None:
        super().__init__(content, media_type=media)
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        async def prompt(message: Message) -> None:
            async with asyncio.timeout(STALL_S):
                await send(message)

        try:
            await self.stream_response(prompt)
        finally:
            self._over()


def scrub_handler(gate: Gate, keyring: Keyring) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint: 200 with the list, or 4xx before the first byte of it."""
    slots = Slots()

    async def post_scrub(request: Request) -> Response:
        headers = request.headers
        keyring.authorise(headers.get("authorization"), headers.get("x-api-key"), "decisions:read")
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in _MEDIA:
            raise Problem(415, "unsupported-media-type", f"send {' or '.join(_MEDIA)}")
        slots.take(
            AT_ONCE, f"{AT_ONCE} lists are under way; send this one when one of them is done"
        )
        try:
            flow = _flow(request, gate, _MEDIA[media])
            lead = await _first(flow)
        except BaseException:
            slots.free()
            raise
        return _Flowing(_chained(lead, flow), media, slots.free)

    return post_scrub


def asked_of(request: Request) -> Asked:
    """The question, from the query. Raises `Problem` 422 naming what is missing."""
    query = request.query_params
    missing = [name for name in ("controller", "channel", "purpose") if not query.get(name)]
    if missing:
        raise Problem(422, "refused", f"{missing[0]}: is missing from the query")
    return Asked(
        query["controller"],
        query["channel"],
        query["purpose"],
        query.get("brand"),
        query.get("product"),
        query.get("column"),
    )


async def _first(flow: AsyncIterator[bytes]) -> bytes:
    """What the answer begins with. Raises `Problem` 422 for what is no list."""
    try:
        return await anext(flow, b"")
    except Unusable as error:
        raise Problem(422, "refused", f"{error.fact}; {error.remedy}") from error


async def _chained(lead: bytes, flow: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield lead
    async for done in flow:
        yield done


async def _flow(request: Request, gate: Gate, form: str) -> AsyncIterator[bytes]:
    """The answer, part by part. Raises `Unusable`, which ends an answer under way unfinished."""
    asked = asked_of(request)
    reading = Reading(form, asked, PIECE)
    scrubber: Sheet | Lines | None = None
    body = request.stream()
    while True:
        try:
            async with asyncio.timeout(STALL_S):
                data = await anext(body, None)
        except TimeoutError as error:
            detail = f"nothing came for {STALL_S:g} s; send the list again"
            raise Problem(408, "timeout", detail, headers={"Connection": "close"}) from error
        for part in reading.finish() if data is None else reading.feed(data):
            if isinstance(part, Opening):
                scrubber = part.plan.scrubber(gate)
                yield part.lead
            elif scrubber is not None:
                yield scrubber.scrub(part).out
            await asyncio.sleep(0)
        if data is None:
            return
