"""What a target fetches from us, and how we know that it has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from connectors.protocol import Retry
from connectors.served import Served
from noli.cli.stack import ports

TEXT = b"+393331234567\n" * 100_000


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Served, int]]:
    """A listening one, and its port."""
    port = ports.choose(["served"])["served"]
    served = Served(f"{ports.HOST}:{port}", "/the-secret", lambda: TEXT)
    await served.open()
    try:
        yield served, port
    finally:
        await served.aclose()


async def fetch(port: int, path: str) -> bytes:
    """All that is answered to a GET."""
    reader, writer = await asyncio.open_connection(ports.HOST, port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    found = await reader.read()
    writer.close()
    return found


async def test_who_knows_the_path_gets_the_text_and_is_counted() -> None:
    """Plain text, whole, on a connection that ends."""
    async with opened() as (served, port):
        head, _, body = (await fetch(port, "/the-secret")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")
        assert body == TEXT
        assert await served.fetched() == 1


async def test_another_path_is_not_found_and_counts_nothing() -> None:
    """The path is the secret."""
    async with opened() as (served, port):
        assert (await fetch(port, "/the-secre")).startswith(b"HTTP/1.1 404")
        assert await served.fetched() == 0


@pytest.mark.parametrize("said", [b"", b"\r\n\r\n", b"GET /the-secret HTTP/1.1\r\n", b"x" * 20_000])
async def test_what_is_no_request_counts_nothing(said: bytes) -> None:
    """Half a request, none, or one without an end."""
    async with opened() as (served, port):
        reader, writer = await asyncio.open_connection(ports.HOST, port)
        writer.write(said)
        writer.write_eof()
        assert b"200 OK" not in await reader.read()
        writer.close()
        assert await served.fetched() == 0


async def test_a_fetch_that_is_cut_off_counts_nothing() -> None:
    """Who hangs up in the middle does not have it."""
    async with opened() as (served, port):
        reader, writer = await asyncio.open_connection(ports.HOST, port, limit=1024)
        writer.write(b"GET /the-secret HTTP/1.1\r\n\r\n")
        await reader.readexactly(100)
        writer.transport.abort()
        assert await served.fetched() == 0


async def test_a_port_that_is_taken_is_tried_again() -> None:
    """`Retry`, for the runner."""
    async with opened() as (_, port):
        with pytest.raises(Retry, match="not_listening"):
            await Served(f"{ports.HOST}:{port}", "/", bytes).open()
