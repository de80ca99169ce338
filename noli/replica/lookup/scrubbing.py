"""`POST /v1/scrub`: a list taken in, the same list with verdicts streamed out; its certificate.

A piece of some 150 rows is answered and sent before the next is looked at: memory stays flat, a
slow reader slows nobody else, and other questions get their turn in between.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from noli.replica.gate import Gate
from noli.replica.lookup.kept import MOST, Kept
from noli.replica.lookup.received import received
from noli.replica.scrub import certificate, certifying
from noli.replica.scrub.asked import CSV, NDJSON, PARQUET, Asked, Result, Tally, Unusable
from noli.replica.scrub.lines import Lines
from noli.replica.scrub.parquet import Bare, Rewriting
from noli.replica.scrub.reading import Opening, Reading
from noli.replica.scrub.sheet import Sheet
from noli.replica.scrub.work import Copy
from noli.runtime.apikeys import Keyring
from noli.runtime.clock import now_ms
from noli.runtime.logging import get_logger
from noli.runtime.problem import Problem
from noli.runtime.slots import Slots

log = get_logger()

#: Bytes of a piece: 1 to 2 ms of work.
PIECE: Final = 8_192

#: The same in rows of Parquet, and rows of a row group as written: some 5 ms.
_ROWS: Final = 256
_GROUPED: Final = 16_384

#: Bytes read from the list at once.
_READ: Final = 256 << 10

#: Lists under way at once; more would only slow each other and everybody's single questions.
AT_ONCE: Final = 4

#: Seconds in which a reader must read something.
STALL_S: Final = 60.0

#: Bytes of a list taken at most, unless NOLI_SCRUB_BYTES_MAX says otherwise: some 20 million rows.
BYTES_MAX: Final = 1 << 30

#: Where the answer says under which id its certificate is.
ID_HEADER: Final = "Noli-Scrub-Id"

_MEDIA: Final = {
    "text/csv": CSV,
    "text/tab-separated-values": CSV,
    "application/x-ndjson": NDJSON,
    "application/ndjson": NDJSON,
    "application/jsonl": NDJSON,
    "application/vnd.apache.parquet": PARQUET,
}


@dataclass(frozen=True, slots=True)
class Room:
    """Where lists and certificates lie meanwhile, and what a list is answered from."""

    copy: Copy
    folder: Path
    bytes_max: int = BYTES_MAX
    slots: Slots = field(default_factory=Slots)

    @property
    def kept(self) -> Kept:
        """The certificates."""
        return Kept(self.folder / "certificates")


@dataclass(slots=True)
class _Scrub:
    """One list under way."""

    gate: Gate
    room: Room
    asked: Asked
    form: str
    started: int
    tally: Tally = field(default_factory=Tally)
    came: Any = field(default_factory=hashlib.sha256)
    went: Any = field(default_factory=hashlib.sha256)

    async def parts(self, file: IO[bytes]) -> AsyncIterator[bytes]:
        """The answer, part by part. Raises `Unusable`: one under way is left unfinished."""
        async for done in self._rows(file) if self.form == PARQUET else self._text(file):
            self.went.update(done)
            yield done
            await asyncio.sleep(0)

    async def _rows(self, file: IO[bytes]) -> AsyncIterator[bytes]:
        while data := await asyncio.to_thread(file.read, _READ):
            self.came.update(data)
        rewriting = Rewriting(file, self.asked, _GROUPED)
        bare = Bare(self.gate, self.asked)
        for piece in rewriting.pieces(_ROWS):
            scrubbed = bare.scrub(piece)
            self.tally.add([scrubbed.tally])
            yield rewriting.joined(scrubbed.out)
        yield rewriting.finish()

    async def _text(self, file: IO[bytes]) -> AsyncIterator[bytes]:
        reading = Reading(self.form, self.asked, PIECE)
        scrubber: Sheet | Lines | None = None
        more = True
        while more:
            data = await asyncio.to_thread(file.read, _READ)
            self.came.update(data)
            more = bool(data)
            for part in reading.feed(data) if more else reading.finish():
                if isinstance(part, Opening):
                    scrubber = part.plan.scrubber(self.gate)
                    yield part.lead
                elif scrubber is not None:
                    scrubbed = scrubber.scrub(part)
                    self.tally.add([scrubbed.tally])
                    yield scrubbed.out

    def certify(self, id_: str) -> None:
        """Sign and keep what came of it, where every row was answered from a fresh copy."""
        copy = self.room.copy
        replica = certifying.identity(self.gate)
        if replica is None or self.tally.stale:
            return
        done = Result(self.tally, self.came.hexdigest(), self.went.hexdigest())
        times = (self.started, now_ms())
        made = certifying.certificate(done, self.asked, times, copy.lease_s, replica)
        try:
            self.room.kept.put(id_, certificate.sign(made, copy.pepper) + b"\n")
        except OSError as error:
            log.exception("scrub.certificate_lost", reason=error.strerror)


class _Flowing(StreamingResponse):
    """Lets go of the list when the answer is over, and of a client that does not read it."""

    def __init__(self, content: AsyncIterator[bytes], media: str, over: AsyncExitStack) -> None:
        super().__init__(content, media_type=media)
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def prompt(message: Message) -> None:
            async with asyncio.timeout(STALL_S):
                await send(message)

        async with self._over:
            await super().__call__(scope, receive, prompt)


def scrub_handler(
    gate: Gate, keyring: Keyring, room: Room
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint: 200 with the list, or 4xx before the first byte of it."""

    async def post_scrub(request: Request) -> Response:
        _authorise(request, keyring)
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in _MEDIA:
            detail = f"say what it is by Content-Type: {' or '.join(_MEDIA)}"
            raise Problem(415, "unsupported-media-type", detail)
        asked = asked_of(request)
        full = f"{AT_ONCE} lists are under way; send this one when one of them is done"
        room.slots.take(AT_ONCE, full)
        async with AsyncExitStack() as stack:
            stack.callback(room.slots.free)
            file = await stack.enter_async_context(received(request, room.folder, room.bytes_max))
            scrub = _Scrub(gate, room, asked, _MEDIA[media], now_ms())
            parts = scrub.parts(file)
            lead = await _first(parts)
            id_ = room.kept.id(scrub.started)
            answer = _Flowing(_whole(scrub, id_, lead, parts), media, stack.pop_all())
            answer.headers[ID_HEADER] = id_
        return answer

    return post_scrub


def certificate_handler(keyring: Keyring, room: Room) -> Callable[[Request], Awaitable[Response]]:
    """`GET /v1/scrub/certificates/{id}`: 200 with the certificate, or 404."""

    async def get_certificate(request: Request) -> Response:
        _authorise(request, keyring)
        signed = room.kept.get(request.path_params["id"])
        if signed is None:
            detail = (
                "no certificate of this id: it is made when the last row is sent, never where a "
                f"row was denied as STALE_REPLICA, and the newest {MOST} are kept"
            )
            raise Problem(404, "not-found", detail)
        return Response(signed, media_type="application/json")

    return get_certificate


def asked_of(request: Request) -> Asked:
    """The question, from the query. Raises `Problem` 422 naming what is missing or a mistake."""
    query = request.query_params
    missing = [name for name in ("controller", "channel", "purpose") if not query.get(name)]
    if missing:
        raise Problem(422, "refused", f"{missing[0]}: is missing from the query")
    asked = Asked(
        query["controller"],
        query["channel"],
        query["purpose"],
        query.get("brand"),
        query.get("product"),
        query.get("column"),
        query.get("campaign"),
    )
    try:
        asked.check()
    except Unusable as error:
        raise _refused(error) from error
    return asked


def _authorise(request: Request, keyring: Keyring) -> None:
    headers = request.headers
    keyring.authorise(headers.get("authorization"), headers.get("x-api-key"), "decisions:read")


async def _first(parts: AsyncIterator[bytes]) -> bytes:
    """What the answer begins with. Raises `Problem` 422 for what is no list."""
    try:
        return await anext(parts, b"")
    except Unusable as error:
        raise _refused(error) from error


async def _whole(
    scrub: _Scrub, id_: str, lead: bytes, parts: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    yield lead
    async for done in parts:
        yield done
    await asyncio.to_thread(scrub.certify, id_)


def _refused(error: Unusable) -> Problem:
    return Problem(422, "refused", f"{error.fact}; {error.remedy}")
