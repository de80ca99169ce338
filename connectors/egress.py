"""HTTP to an address that a user configured, without lending our network position to it.

The name is resolved, every address checked, and one of those connected to, with the name kept for
`Host` and TLS: a name that answers differently a moment later (DNS rebinding) leads nowhere. No
redirect is followed, no proxy of the environment used, and of an answer only the head is believed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final, NamedTuple, TypeAlias

import httpx2
from pydantic import AfterValidator, Field, SecretStr

from connectors.protocol import Problem, Retry

#: Bytes of an answer's body that are read, only to keep the connection for the next request.
_ANSWER_MAX: Final = 4096
#: And of an answer that is asked for: more is not what was asked.
_ASKED_MAX: Final = 64 * 1024 * 1024
#: Networks that carry an IPv4 address in their last 32 bits: RFC 6052, RFC 8215.
_NAT64: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48")))
_IPV4_BITS: Final = (1 << 32) - 1
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{8,}", re.ASCII)
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
#: Answers of the 2xx that say "part of it, see within": of which contacts, nobody reads.
_PARTLY: Final = frozenset({HTTPStatus.PARTIAL_CONTENT, HTTPStatus.MULTI_STATUS})
_REMEDIES: Final = {
    "unresolved": "see that the name is in the DNS this machine asks",
    "private_address": "use a public address, or set config.allow_private_addresses: true",
    "timeout": "see that a firewall lets this machine through",
}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Asked(NamedTuple):
    """A request below the URL of an `Egress`; `query` and `headers` may hold secrets."""

    method: str = "POST"
    path: str = ""
    query: Mapping[str, str | Sequence[str]] | None = None
    body: bytes = b""
    headers: Mapping[str, str] | None = None


class Answer(NamedTuple):
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_public(address: Address) -> bool:
    """Whether it belongs to the internet at large, also once what it carries inside is unpacked."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and any(address in network for network in _NAT64):
            inner = ipaddress.IPv4Address(int(address) & _IPV4_BITS)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def http_url(text: str) -> str:
    """The URL itself. Raises ValueError, without the value, for what is no plain http(s) URL."""
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        raise ValueError("is not a URL; write https://host/path") from None
    if url.scheme not in _DEFAULT_PORTS or not url.host:
        raise ValueError("is not an http(s) URL; write https://host/path")
    if url.userinfo:
        raise ValueError("holds a user or a password; leave them out")
    return text


#: Fields of a sink's `Config`: where it is reached, and whom to trust there.
HttpUrl: TypeAlias = Annotated[str, AfterValidator(http_url)]
Authorities: TypeAlias = Annotated[
    Path | None, Field(description="PEM file of the authorities to trust instead.")
]


def plain_secret(value: SecretStr) -> SecretStr:
    """The secret itself. Raises ValueError where it could not stand in a header or a path."""
    if not _PLAIN.fullmatch(value.get_secret_value()):
        raise ValueError("write 8 or more letters, digits, - and _: openssl rand -hex 32")
    return value


#: A secret of our own making, which needs no quoting anywhere.
PlainSecret = Annotated[SecretStr, AfterValidator(plain_secret)]


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Seconds of a `Retry-After` header (seconds or a date, RFC 9110 §10.2.3); None: unreadable."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())


@dataclass(frozen=True)
class Egress:
    """A way to one URL. `timeout_s` covers a whole exchange: resolving, connecting, answering."""

    url: str
    timeout_s: float
    keep: int  # connections kept open between requests
    allow_private: bool
    ca_file: Path | None = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Returns once a 2xx has come for all of it. Raises `Retry` with a short code otherwise."""
        async with self._answer(Asked(body=body, headers=headers)) as answer:
            status = answer.status_code
            if status in _PARTLY or not HTTPStatus(200) <= status < HTTPStatus(300):
                after = retry_after_s(answer.headers.get("retry-after"), datetime.now(UTC))
                raise Retry(f"http_{answer.status_code}", after)
            await _drain(answer)

    async def ask(self, asked: Asked) -> Answer:
        """The answer, of any status. Raises `Retry` where none came, or one of endless length."""
        async with self._answer(asked) as answer:
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _ASKED_MAX:
                    raise Retry("answer_too_long")
            return Answer(answer.status_code, answer.headers, bytes(body))

    async def check(self) -> list[Problem]:
        """Resolve, connect, shake hands; send nothing."""
        where = f"config.url: {self._target.host}:{self._port}"
        tls = self._tls if self._target.scheme == "https" else None
        try:
            async with asyncio.timeout(self.timeout_s):
                addresses = await self._addresses()
                _, writer = await asyncio.open_connection(
                    str(addresses[0]),
                    self._port,
                    ssl=tls,
                    server_hostname=self._target.host if tls else None,
                )
                writer.close()
        except Retry as error:
            return [Problem(f"{where}: {error.reason}", _REMEDIES[error.reason])]
        except TimeoutError:
            return [Problem(f"{where}: timeout", _REMEDIES["timeout"])]
        except ssl.SSLError as error:
            return [Problem(f"{where}: {error.reason}", "see its certificate, or set ca_file")]
        except OSError as error:
            return [Problem(f"{where}: {error.strerror}", "see that the application listens there")]
        return []

    async def aclose(self) -> None:
        """Close the kept connections."""
        if "_client" in self.__dict__:
            await self._client.aclose()

    @cached_property
    def _target(self) -> httpx2.URL:
        return httpx2.URL(self.url)

    @cached_property
    def _port(self) -> int:
        return self._target.port or _DEFAULT_PORTS[self._target.scheme]

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)

    @cached_property
    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            verify=self._tls,
            trust_env=False,
            timeout=self.timeout_s,
            limits=httpx2.Limits(max_keepalive_connections=self.keep),
        )

    @asynccontextmanager
    async def _answer(self, asked: Asked) -> AsyncIterator[httpx2.Response]:
        """The head of an answer, its body still to be read. Raises `Retry`, not chained."""
        try:
            async with asyncio.timeout(self.timeout_s), self._sent(asked) as answer:
                yield answer
        except TimeoutError:
            raise Retry("timeout") from None
        except (httpx2.HTTPError, ssl.SSLError) as error:
            # Not chained: what a client or a certificate says may quote the address or the body.
            raise Retry(type(error).__name__) from None

    @asynccontextmanager
    async def _sent(self, asked: Asked) -> AsyncIterator[httpx2.Response]:
        addresses = await self._addresses()
        for number, address in enumerate(addresses, 1):
            url = self._target.copy_with(host=str(address))
            if asked.path:
                url = url.copy_with(path=self._target.path.rstrip("/") + asked.path)
            request = self._client.build_request(
                asked.method,
                url.copy_merge_params(asked.query) if asked.query else url,
                content=asked.body,
                headers={**(asked.headers or {}), "Host": self._target.netloc.decode("ascii")},
                extensions={"sni_hostname": self._target.host},
            )
            try:
                answer = await self._client.send(request, stream=True, follow_redirects=False)
            except httpx2.ConnectError:
                if number == len(addresses):
                    raise
                continue
            try:
                yield answer
            finally:
                await answer.aclose()
            return

    async def _addresses(self) -> list[Address]:
        """Every address of the host, checked. Raises `Retry`."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._target.host, self._port, type=socket.SOCK_STREAM)
        except OSError:
            raise Retry("unresolved") from None
        addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
        if not self.allow_private and not all(is_public(address) for address in addresses):
            raise Retry("private_address")
        return addresses


async def _drain(answer: httpx2.Response) -> None:
    """Read a short body, so that the connection can serve again; leave a long one unread."""
    size = 0
    async for chunk in answer.aiter_raw():
        size += len(chunk)
        if size > _ANSWER_MAX:
            return
