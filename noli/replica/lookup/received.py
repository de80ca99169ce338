"""A list as a client sends it, taken whole before a word is answered.

Many clients send everything before they read anything. Answering them while they send would fill
the connection's buffers both ways, and neither side could go on. So the list is taken first: up to
`_IN_MEMORY` bytes in memory, the rest in a file without a name, which is gone with the request.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final, cast

from starlette.requests import Request

from noli.runtime.problem import Problem, unavailable

#: Bytes of a list held in memory; four lists may be under way.
_IN_MEMORY: Final = 1 << 20

#: Seconds in which a sender must send something.
STALL_S: Final = 60.0

_RETRY_AFTER_S: Final = 60


@asynccontextmanager
async def received(request: Request, folder: Path, most: int) -> AsyncIterator[IO[bytes]]:
    """The body, at most `most` bytes, as a file to be read from its beginning.

    Raises `Problem` 413 for a longer one, 408 where nothing comes, 503 where the disk is full.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise _too_large(most)
    with ExitStack() as stack:
        try:
            await asyncio.to_thread(partial(folder.mkdir, parents=True, exist_ok=True, mode=0o700))
            spool = stack.enter_context(
                tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(folder))
            )
            file = cast(IO[bytes], spool)
            await _take(request, file, most)
        except OSError as error:
            detail = f"no room to take the list: {error.strerror}; send it again later"
            raise unavailable(detail, _RETRY_AFTER_S) from error
        file.seek(0)
        yield file


async def _take(request: Request, file: IO[bytes], most: int) -> None:
    size = 0
    body = request.stream()
    while True:
        try:
            async with asyncio.timeout(STALL_S):
                data = await anext(body, None)
        except TimeoutError as error:
            detail = f"nothing came for {STALL_S:g} s; send the list again"
            raise Problem(408, "timeout", detail, headers={"Connection": "close"}) from error
        if data is None:
            return
        size += len(data)
        if size > most:
            raise _too_large(most)
        if data:
            await asyncio.to_thread(file.write, data)


def _too_large(most: int) -> Problem:
    # Without `Connection: close`: the server reads on and throws away, so that a client which sends
    # all before it reads comes to read this.
    remedy = "split it, raise NOLI_SCRUB_BYTES_MAX, or use `noli scrub` on the replica's host"
    return Problem(413, "too-large", f"the list is larger than {most} bytes; {remedy}")
