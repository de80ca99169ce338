"""A real Kamailio with `examples/kamailio/noli.cfg`, and SIPp on both sides of it."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2
import pytest

from connectors.sinks.kamailio import Kamailio
from noli.cli.stack import ports
from noli.cli.stack.program import Program, Running, launch, until
from tests.support.servers import PASSWORD, START_S, STOP_S, installed, running, scratch

SCENARIO: Final = Path(__file__).with_name("sipp_caller.xml")
EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "kamailio" / "noli.cfg"
#: Of one SIPp, in seconds.
CALL_S: Final = 20.0
#: Of the lease that a proxy here starts with, in seconds: nobody renews it.
DAY_S: Final = 86_400
#: Memory for the table and for each process, in MB: 8 processes.
_SHARED, _PRIVATE = "32", "4"
_CONFIG: Final = """#!KAMAILIO
debug=0
log_stderror=yes
children=1
tcp_children=2
auto_aliases=no
listen=udp:{host}:{sip}
listen=tcp:{host}:{http}
#!substdef "!NOLI_SECRET!{secret}!g"
#!substdef "!NOLI_COUNTRY!39!g"
loadmodule "pv.so"
loadmodule "sl.so"
loadmodule "textops.so"
loadmodule "siputils.so"
include_file "{example}"
modparam("htable", "htable", "kept=>size=4;dbtable=kept;")
modparam("htable", "htable", "short=>size=4;autoexpire=60;")
request_route {{
    if (is_method("INVITE")) route(NOLI);
    $du = "sip:{host}:{callee}";
    forward();
}}
"""


@dataclass
class Proxy:
    """Where it takes calls and commands, and where a callee waits for what it lets through."""

    root: Path
    sip: int
    http: int
    callee: int
    server: Running = field(init=False)

    def start(self) -> None:
        """With an empty table, and a lease of a day."""
        program = installed("kamailio", "kamailio kamailio-json-modules")
        argv = [program, "-DD", "-f", str(self.root / "kamailio.cfg"), "-Y", str(self.root)]
        argv += ["-m", _SHARED, "-M", _PRIVATE]
        log = self.root / "kamailio.log"
        self.server = launch(Program("kamailio", argv, log), with_parent=True)
        until(lambda: listens(self.http), self.server, START_S)
        self.command("htable.seti", "noli", "as_of", int(time.time()) + DAY_S)

    def stop(self) -> None:
        """All of its processes."""
        self.server.stop(STOP_S)

    def config(self, **over: object) -> Kamailio.Config:
        """What a sink of it needs."""
        url = f"http://{ports.HOST}:{self.http}/noli"
        config = {"url": url, "secret": PASSWORD, "timeout_s": 5, **over}
        return Kamailio.Config.model_validate(config)

    def call(self, number: str) -> int:
        """What a call placed by SIPp comes to: 200 of the callee, or 603 of the proxy."""
        program = installed("sipp", "sip-tester")
        with scratch("sipp") as root:
            argv = [program, f"{ports.HOST}:{self.sip}", "-sf", str(SCENARIO), "-s", number]
            argv += ["-i", ports.HOST, "-m", "1", "-nostdin", "-timeout", str(int(CALL_S))]
            argv += ["-timeout_error", "-trace_logs", "-log_file", str(root / "said")]
            done = subprocess.run(argv, capture_output=True, timeout=2 * CALL_S, check=False)
            assert done.returncode == 0, f"SIPp ended with {done.returncode}"
            return int((root / "said").read_text())

    def command(self, method: str, *params: str | int) -> dict[str, object]:
        """An administrator's own command."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        headers = {"Authorization": f"Bearer {PASSWORD}"}
        url = f"http://{ports.HOST}:{self.http}/noli"
        found: dict[str, object] = httpx2.post(url, json=call, headers=headers).json()
        return found

    def table(self) -> dict[str, object]:
        """All of the htable."""
        slots = self.command("htable.dump", "noli").get("result", [])
        assert isinstance(slots, list)
        found = {item["name"]: item["value"] for slot in slots for item in slot["slot"]}
        found.pop("as_of", None)
        return found


@contextmanager
def kamailio() -> Iterator[Proxy]:
    """A proxy whose table is empty, and a callee that takes every call."""
    callee = installed("sipp", "sip-tester")
    with scratch("kamailio") as root:
        found = Proxy(root, **ports.choose(["sip", "http", "callee"]))
        text = _CONFIG.format(host=ports.HOST, secret=PASSWORD, example=EXAMPLE, **vars(found))
        (root / "kamailio.cfg").write_text(text, "utf-8")
        uas = [callee, "-sn", "uas", "-i", ports.HOST, "-p", str(found.callee), "-nostdin"]
        with running("callee", uas, root):
            found.start()
            try:
                yield found
            finally:
                found.stop()


@pytest.fixture(scope="session")
def kamailio_proxy() -> Iterator[Proxy]:
    """One proxy for the session; each test has numbers of its own."""
    with kamailio() as found:
        yield found


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((ports.HOST, port), 1).close()
    except OSError:
        return False
    return True
