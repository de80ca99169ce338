"""A hash per contact in Redis that a dialer asks in one command before it calls or sends.

`HGET noli:acme:+393331234567 operator_call:marketing:*` is the moment, ms UTC, until which it is
allowed: allowed while that is in the future. No field, no hash, 0: not allowed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from hashlib import sha1
from importlib import resources
from typing import Annotated, Any, Final

import orjson
from pydantic import Field, SecretStr, field_validator
from redis import asyncio as client
from redis.asyncio.retry import Retry as Retries
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from connectors import protocol
from connectors.protocol import Applied, Change, Held, Problem, Reject, Result, Retry
from connectors.said import said

#: An allowance without an end ends in the year 9999, ms UTC; a denial has ended at 0.
FOR_EVER: Final = 253_402_300_799_999
DENIED: Final = 0

#: Field of INFO, how it starts when something is wrong, what, and the remedy.
_UNSAFE: Final = (
    ("role", "slave", "is a replica: it takes no writes", "name its primary"),
    ("cluster_enabled", "1", "is a cluster, which tears a contact apart", "name a plain server"),
    ("aof_enabled", "0", "may forget objections in a crash", "set appendonly yes there"),
    ("maxmemory_policy", "allkeys", "may evict versions", "set maxmemory-policy noeviction there"),
)


class Redis:
    """Keeps a hash per contact (readers ask it) and one per token (versions; erased contacts)."""

    class Config(protocol.SinkConfig):
        """Which server, which keys."""

        url: Annotated[
            SecretStr, Field(description="redis:// or rediss:// (TLS) user:password@host:port/db.")
        ]
        prefix: Annotated[
            str, Field(pattern=r"^[a-z0-9_-]{1,32}$", description="Of every key; one per app.")
        ] = "noli"
        timeout_s: Annotated[
            float, Field(gt=0, le=60, description="For connecting, and for one batch, in seconds.")
        ] = 10.0
        batch: Annotated[int, Field(ge=1, le=5000, description="Most contacts in one trip.")] = 500

        @field_validator("url")
        @classmethod
        def _is_url(cls, value: SecretStr) -> SecretStr:
            try:
                client.from_url(value.get_secret_value())
            except ValueError:  # not chained: it may quote the address
                raise ValueError("cannot be read; write redis://user@host:6379/0") from None
            return value

    def __init__(self, config: Config, app: str) -> None:
        self._config = config
        self._app = app
        self._kept: client.Redis | None = None
        self.traits = protocol.Traits(read_back="exact", batch=config.batch)

    async def check(self) -> Sequence[Problem]:
        """Connect, and look whether the server keeps what it is told. Writes nothing."""
        try:
            async with self._connection() as server:
                info: Mapping[str, Any] = await server.info("everything")
                await _hashes(server, [self._record("check")])
        except Retry as error:
            return [
                Problem(f"config.url: {error.reason}", "see host, port, user, password, rights")
            ]
        return [
            Problem(f"config.url: the server {what} ({field})", remedy)
            for field, bad, what, remedy in _UNSAFE
            if str(info.get(field)).startswith(bad)
        ]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """One trip, one atomic script per contact; a newer version in the target stays."""
        calls = [self._call(change) for change in changes]
        async with self._connection() as server:
            answers = await _sent(server, [call for call in calls if call])
            if any(isinstance(answer, NoScriptError) for answer in answers):  # a new server
                await server.script_load(_script())
                answers = await _sent(server, [call for call in calls if call])
        # A refusal of one (no memory, no right, a key of somebody else in its place) may pass.
        left = (Retry(_code(a)) if isinstance(a, Exception) else Applied() for a in answers)
        return [next(left) if call else Reject("not_text") for call in calls]

    async def read_back(self, subjects: Sequence[protocol.Subject]) -> Mapping[str, Held]:
        """What readers find under the contact; once erased, what stands under the token."""
        tokens = [subject.token for subject in subjects]
        async with self._connection() as server:
            records = await _hashes(server, [self._record(token) for token in tokens])
            readers = [record.get("reader", "") for record in records]
            shown = iter(await _hashes(server, [reader for reader in readers if reader]))
        held = {}
        for token, record, reader in zip(tokens, records, readers, strict=True):
            answers = next(shown) if reader else record
            if record:
                held[token] = Held(int(record["version"]), dict(_allowed(answers)))
        return held

    async def aclose(self) -> None:
        """Close the kept connection."""
        if self._kept is not None:
            kept, self._kept = self._kept, None
            await kept.aclose()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[client.Redis]:
        """The kept connection, given up after any failure. Raises `Retry`, not chained."""
        try:
            async with asyncio.timeout(self._config.timeout_s):
                if self._kept is None:
                    self._kept = client.from_url(
                        self._config.url.get_secret_value(),
                        decode_responses=True,
                        protocol=2,  # what servers before 6 speak
                        client_name=f"noli-{self._app}",
                        socket_timeout=None,  # ours is around the whole
                        retry=Retries(NoBackoff(), 0),
                    )
                yield self._kept
        except (TimeoutError, RedisError, OSError) as error:
            await self.aclose()
            raise Retry(_code(error)) from None
        except BaseException:
            await self.aclose()  # cancelled in the middle of something
            raise

    def _record(self, token: str) -> str:
        return f"{self._config.prefix}.token:{token}"

    def _call(self, change: Change) -> list[bytes] | None:
        """Arguments of the script; None where the contact is no text."""
        whose = f"{change.controller}:{change.contact.value}" if change.contact else ""
        named = [whose and f"{self._config.prefix}{part}:{whose}" for part in ("", ".tokens")]
        head = [self._record(change.token), str(change.version), str(change.as_of or 0)]
        try:
            return [text.encode() for text in (*head, *named, *_fields(change))]
        except UnicodeEncodeError:
            return None


def _fields(change: Change) -> Iterator[str]:
    """Field and value by turns."""
    for v in said(change):
        name = f"{v.channel}:{v.purpose}:{v.brand}"
        until = FOR_EVER if v.until is None else v.until
        yield from (name, str(until if v.allowed else DENIED))
        if v.reasons or v.conditions:
            why = orjson.dumps({"reasons": v.reasons, "conditions": v.conditions})
            yield from (f"why:{name}", why.decode())


def _allowed(answers: Mapping[str, str]) -> Iterator[tuple[tuple[str, str, str], bool]]:
    for field, until in answers.items():
        if ":" in field and not field.startswith("why:"):
            channel, purpose, brand = field.split(":", 2)
            yield (channel, purpose, brand), int(until) != DENIED


async def _sent(server: client.Redis, calls: Sequence[list[bytes]]) -> Sequence[object]:
    name = sha1(_script().encode(), usedforsecurity=False).hexdigest()
    pipeline = server.pipeline(transaction=False)
    for call in calls:
        pipeline.evalsha(name, 1, *call)
    return await pipeline.execute(raise_on_error=False)


async def _hashes(server: client.Redis, keys: Sequence[str]) -> Sequence[Mapping[str, str]]:
    pipeline = server.pipeline(transaction=False)
    for key in keys:
        pipeline.hgetall(key)
    return await pipeline.execute()


def _code(error: Exception) -> str:
    """Redis's own first word, never its sentence, which may quote a key."""
    word = str(error).split(" ", 1)[0] if isinstance(error, ResponseError) else ""
    return f"redis_{word if word.isupper() else type(error).__name__}"


@cache
def _script() -> str:
    return resources.files(__package__).joinpath("redis.lua").read_text("utf-8")
