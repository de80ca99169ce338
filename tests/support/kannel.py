"""A real Kannel: bearerbox, smsbox and its own simulated message centre, `fakesmsc`."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import httpx2
import pytest

from connectors.sinks.kannel import Kannel
from noli.cli.problem import ProblemError
from noli.cli.stack import ports
from noli.cli.stack.program import Program, Running, launch, until
from tests.support.blackbox import until as seen
from tests.support.servers import START_S, installed, scratch

PASSWORD: Final = "a-secret-of-bearerbox"
KEY: Final = "a-secret-of-the-list"
#: The number that people write STOP to.
OWN: Final = "4399"
WAIT_S: Final = 20.0
_STOP_S: Final = 0.5
_FAKESMSC: Final = "/usr/lib/kannel/test/fakesmsc"
_CONFIG: Final = """group = core
admin-port = {admin}
admin-password = {password}
admin-interface = "{host}"
smsbox-port = {box}
box-allow-ip = "{host}"
log-level = 1
white-list-receiver = "http://{host}:{list}/{key}"

group = smsc
smsc = fake
smsc-id = FAKE
port = {smsc}
connect-allow-ip = "{host}"

group = smsbox
bearerbox-host = "{host}"
sendsms-port = {send}
sendsms-interface = "{host}"
log-level = 1

group = sendsms-user
username = shop
password = shop

group = sms-service
keyword = default
get-url = "http://{host}:{heard}/?text=%a"
max-messages = 0
"""


@dataclass
class Gateway:
    """Where it takes messages and commands, and what its message centre got."""

    root: Path
    at: dict[str, int]
    boxes: dict[str, Running] = field(default_factory=dict)
    #: What people wrote to us, as an application behind Kannel gets it.
    heard: queue.Queue[str] = field(default_factory=queue.Queue)

    def config(self, **over: object) -> Kannel.Config:
        """What a sink of it needs; its list is a file of that name in a folder of the gateway."""
        config = {
            "url": f"http://{ports.HOST}:{self.at['admin']}",
            "password": PASSWORD,
            "listen": f"{ports.HOST}:{self.at['list']}",
            "key": KEY,
            "file": self.root / "list.txt",
            "own_numbers": [OWN],
            "timeout_s": 5,
            **over,
        }
        return Kannel.Config.model_validate(config)

    def send(self, number: str) -> bool:
        """Whether a message to the number is taken; else Kannel says 403."""
        query = {"username": "shop", "password": "shop", "from": OWN, "to": number, "text": "Buy"}
        url = f"http://{ports.HOST}:{self.at['send']}/cgi-bin/sendsms"
        status = httpx2.get(url, params=query, timeout=WAIT_S).status_code
        assert status in {202, 403}, status
        return status == 202

    def sent(self, number: str) -> bool:
        """Whether a message to the number reached the message centre."""
        return f"<{OWN} {number} text Buy>" in (self.root / "fakesmsc.log").read_text()

    def command(self, path: str) -> str:
        """An administrator's own command."""
        url = f"http://{ports.HOST}:{self.at['admin']}/{path}"
        return httpx2.get(url, params={"password": PASSWORD}, timeout=WAIT_S).text

    def start(self, name: str, *argv: str) -> None:
        """One of its boxes."""
        self.boxes[name] = launch(Program(name, argv, self.root / f"{name}.log"), with_parent=True)

    def launch_bearerbox(self) -> None:
        """It fetches the list, and ends where it gets none."""
        program = installed("bearerbox", "kannel kannel-extras")
        self.start("bearerbox", program, "-v", "1", str(self.root / "kannel.conf"))

    def start_bearerbox(self) -> None:
        """With its list; other boxes' port is the last it opens."""
        self.launch_bearerbox()
        until(lambda: listens(self.at["box"]), self.boxes["bearerbox"], START_S)

    def start_others(self) -> None:
        """What needs bearerbox; the message centre writes us STOP once."""
        self.start(
            "smsbox", installed("smsbox", "kannel"), "-v", "1", str(self.root / "kannel.conf")
        )
        until(lambda: listens(self.at["send"]), self.boxes["smsbox"], START_S)
        centre = ["-H", ports.HOST, "-r", str(self.at["smsc"]), "-m", "-1", "-i", "600"]
        self.start("fakesmsc", _FAKESMSC, *centre, f"+393339999999 {OWN} text STOP")
        seen(lambda: "<status>online" in self.command("status.xml"), "fakesmsc", WAIT_S)

    def stop(self) -> None:
        """All that runs, the last started first; a bearerbox that is suspended would take long."""
        while self.boxes:
            self.boxes.popitem()[1].stop(_STOP_S)


@contextmanager
def kannel() -> Iterator[Gateway]:
    """A gateway with an empty list."""
    installed("bearerbox", "kannel kannel-extras")
    with scratch("kannel") as root:
        at = ports.choose(["admin", "box", "list", "smsc", "send", "heard"])
        found = Gateway(root, dict(at))
        text = _CONFIG.format(host=ports.HOST, password=PASSWORD, key=KEY, **at)
        (root / "kannel.conf").write_text(text)

        def hear(path: str) -> bytes:
            found.heard.put(path)
            return b""

        with answering(at["heard"], hear):
            try:
                with answering(at["list"], lambda _: f"{OWN}\n".encode()):
                    found.start_bearerbox()
                found.start_others()
                yield found
            finally:
                found.stop()


@pytest.fixture(scope="session")
def kannel_gateway() -> Iterator[Gateway]:
    """One gateway for the session; its list is whole after each change, so tests do not meet.

    Its ports are chosen before its boxes bind them: where another took one, it is started anew.
    """
    with ExitStack() as closing:
        try:
            found = closing.enter_context(kannel())
        except ProblemError:
            found = closing.enter_context(kannel())
        yield found


@contextmanager
def answering(port: int, answer: Callable[[str], bytes]) -> Iterator[None]:
    """Answers every GET, with text, for one block of code."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """HTTP/1.0: closed after each answer."""
            content = answer(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((ports.HOST, port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((ports.HOST, port), 1).close()
    except OSError:
        return False
    return True
