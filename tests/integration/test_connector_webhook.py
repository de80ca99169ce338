"""The webhook sink against an application on a real socket that misbehaves."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.protocol import Applied, Retry, Verdict
from connectors.sinks.webhook import Webhook
from connectors.testing import NOW_MS, a_change
from tests.support.bad_app import APPLIED_BUT_ANSWER_LOST, SECRET, BadApp, Step, bad_app, failing


@pytest.fixture
def app() -> Iterator[BadApp]:
    """An application on a loopback port."""
    with bad_app() as found:
        yield found


@asynccontextmanager
async def webhook(url: str, **over: Any) -> AsyncIterator[Webhook]:  # noqa: ANN401 - Config's fields
    """A webhook to that address, private ones allowed."""
    config = {"url": url, "secret": SECRET, "timeout_s": 2, "allow_private_addresses": True, **over}
    sink = Webhook(Webhook.Config.model_validate(config), "crm")
    try:
        yield sink
    finally:
        await sink.aclose()


async def refusal(sink: Webhook) -> Retry:
    """What a change that the target does not take comes to."""
    with pytest.raises(Retry) as error:
        await sink.apply([a_change()])
    return error.value


async def test_the_body_is_that_of_the_contract(app: BadApp) -> None:
    """Signed; type, app, as_of, and of each change contact, token, version, verdicts."""
    verdict = Verdict("sms", "marketing", "*", True, (), ("operator_guaranteed",), NOW_MS + 1)
    change, erased = a_change("01" + "ab" * 16, 5, verdict), a_change(None, 1, contact=None)
    async with webhook(app.url) as sink:
        assert await sink.apply([change, erased]) == [Applied(), Applied()]
    (received,) = app.received
    assert app.complaints == []
    assert received.body["changes"][0] == {
        "contact": {"kind": "phone", "value": "+393331234567"},
        "token": "01" + "ab" * 16,
        "version": 5,
        "verdicts": [
            {
                "channel": "sms",
                "purpose": "marketing",
                "brand": "*",
                "allowed": True,
                "reasons": [],
                "conditions": ["operator_guaranteed"],
                "until": "2026-11-24T09:00:00.001Z",
            }
        ],
    }
    assert received.body["changes"][1]["contact"] is None
    assert {k: v for k, v in received.body.items() if k != "changes"} == {
        "type": "noli.verdicts.v1",
        "app": "crm",
        "as_of": "2026-11-24T09:00:00Z",
    }


async def test_a_time_that_is_not_known_is_not_claimed(app: BadApp) -> None:
    """One change before the first beacon makes the body's as_of null."""
    async with webhook(app.url) as sink:
        await sink.apply([a_change(), a_change()._replace(as_of=None)])
    assert app.received[0].body["as_of"] is None


async def test_a_lost_answer_is_repeated_under_the_same_id(app: BadApp) -> None:
    """The application can tell that it has it already; nothing is applied twice."""
    app.script(APPLIED_BUT_ANSWER_LOST)
    change = a_change()
    async with webhook(app.url) as sink:
        with pytest.raises(Retry):
            await sink.apply([change])
        assert await sink.apply([change]) == [Applied()]
    first, second = app.received
    assert (first.message_id, first.body) == (second.message_id, second.body)


@pytest.mark.parametrize(
    "status", [206, 207, 301, 302, 307, 308, 400, 401, 404, 410, 422, 500, 502, 504]
)
async def test_only_a_2xx_for_all_of_it_confirms(app: BadApp, status: int) -> None:
    """Everything else is asked again, 410 included; a redirect leads nowhere."""
    app.script(failing(status, Location=app.url, Content_Length="0"))
    async with webhook(app.url) as sink:
        error = await refusal(sink)
    assert (error.reason, error.after) == (f"http_{status}", None)
    assert (len(app.received), app.complaints) == (1, [])


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_every_2xx_confirms(app: BadApp, status: int) -> None:
    """Whatever it says besides, however long: of the answer only the status counts."""
    app.script(Step(status, body=b"x" * 300_000 if status == 200 else b""))
    async with webhook(app.url) as sink:
        assert await sink.apply([a_change()]) == [Applied()]
        assert await sink.apply([a_change()]) == [Applied()]


async def test_retry_after_is_passed_on(app: BadApp) -> None:
    """Seconds or a date, with 429 or 503."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    app.script(failing(429, Retry_After="7"), failing(503, Retry_After=later))
    async with webhook(app.url) as sink:
        assert (await refusal(sink)).after == 7.0
        after = (await refusal(sink)).after
    assert after is not None
    assert 80 < after <= 90


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433"])
async def test_a_private_address_is_refused_before_a_byte_is_sent(app: BadApp, host: str) -> None:
    """By name, number or odd spelling; `check` says what to do about it."""
    url = app.url.replace("127.0.0.1", host)
    async with webhook(url, allow_private_addresses=False) as sink:
        error = await refusal(sink)
        (problem,) = await sink.check()
    assert error.reason == "private_address"
    assert problem.what.endswith(": private_address")
    assert "allow_private_addresses: true" in problem.remedy
    assert app.received == []


async def test_a_name_with_one_private_address_is_refused(
    app: BadApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where others of its addresses are public: we do not choose for it."""
    resolve_as(monkeypatch, ["93.184.216.34", "127.0.0.1"])
    url = app.url.replace("127.0.0.1", "crm.example")
    async with webhook(url, allow_private_addresses=False) as sink:
        assert (await refusal(sink)).reason == "private_address"
    assert app.received == []


async def test_the_address_that_was_checked_is_the_one_that_is_called(
    app: BadApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is resolved once per request and stays in the Host header (DNS rebinding)."""
    asked = resolve_as(monkeypatch, ["127.0.0.1"])
    url = app.url.replace("127.0.0.1", "crm.example")
    async with webhook(url) as sink:
        await sink.apply([a_change()])
    assert asked == ["crm.example"]
    assert app.received[0].host == url.split("/")[2]


async def test_the_next_address_is_tried_when_one_does_not_listen(
    app: BadApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with an IPv6 and an IPv4 address works while one of them does."""
    resolve_as(monkeypatch, ["127.0.0.9", "127.0.0.1"])
    async with webhook(app.url.replace("127.0.0.1", "crm.example")) as sink:
        assert await sink.apply([a_change()]) == [Applied()]


async def test_a_name_nobody_knows_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DNS failure passes; it is no reason to stop."""
    resolve_as(monkeypatch, [])
    async with webhook("http://crm.invalid/") as sink:
        assert (await refusal(sink)).reason == "unresolved"
        assert "DNS" in (await sink.check())[0].remedy


async def test_an_answer_that_drips_is_cut_off() -> None:
    """Slow loris: the whole exchange has one time limit."""
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(65_536)
        while not stop.wait(0.05):
            connection.sendall(b"H")

    with listening(drip) as port:
        async with webhook(f"http://127.0.0.1:{port}/", timeout_s=0.5) as sink:
            error = await refusal(sink)
        stop.set()
    assert error.reason in {"timeout", "RemoteProtocolError"}


async def test_tls_is_verified_against_the_name(tmp_path: Path) -> None:
    """Not against the address connected to; a certificate of another name is refused."""
    authority = Authority(tmp_path)
    for name, works in (("localhost", True), ("other.example", False)):
        with https(authority, name) as port:
            async with webhook(f"https://localhost:{port}/", ca_file=authority.file) as sink:
                problems = await sink.check()
                if works:
                    assert await sink.apply([a_change()]) == [Applied()]
                    assert problems == []
                else:
                    assert (await refusal(sink)).reason == "ConnectError"
                    assert "CERTIFICATE_VERIFY_FAILED" in problems[0].what


async def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    """And `check` says that it is the certificate."""
    authority = Authority(tmp_path)
    with https(authority, "localhost", days=-1) as port:
        async with webhook(f"https://localhost:{port}/", ca_file=authority.file) as sink:
            assert (await refusal(sink)).reason == "ConnectError"
            assert "certificate" in (await sink.check())[0].remedy


def resolve_as(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> list[str]:
    """Let every name resolve to these (none: it does not); returns the names as they are asked."""
    asked: list[str] = []
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def chosen(host: str, port: int, **rest: Any) -> Any:  # noqa: ANN401 - as in asyncio
        if all(part.isdecimal() for part in host.split(".")):
            return await real(host, port, **rest)  # an address, on its way to be connected to
        asked.append(host)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr(loop, "getaddrinfo", chosen)
    return asked


@contextmanager
def listening(serve: Any) -> Iterator[int]:  # noqa: ANN401 - a function of a socket
    """A port whose first connection is given to `serve` on a thread."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    serve(connection)
                except OSError:
                    return  # the other side hung up, as it should

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


class Authority:
    """A certificate authority of the test's own; `file` is its certificate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.sign("test authority", self.key, ca=True))

    def sign(
        self, name: str, key: ec.EllipticCurvePrivateKey, *, ca: bool = False, days: int = 1
    ) -> bytes:
        """A certificate of that name; negative days: it has expired."""
        now = datetime.now(UTC)
        end = now + timedelta(days=days)
        builder = x509.CertificateBuilder(
            issuer_name=self.name,
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=min(now, end) - timedelta(days=1),
            not_valid_after=end,
        ).add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        if not ca:
            names = x509.SubjectAlternativeName([x509.DNSName(name)])
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


@contextmanager
def https(authority: Authority, name: str, days: int = 1) -> Iterator[int]:
    """A server on a loopback port with a certificate of that name; it says 204 to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take it."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
            """Nothing."""

    key = ec.generate_private_key(ec.SECP256R1())
    pem = authority.folder / f"{name}.pem"
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + authority.sign(name, key, days=days))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
            """Shake hands on the connection's own thread; a client that refuses us just leaves."""
            try:
                with context.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, client_address)
            except OSError:
                return

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
