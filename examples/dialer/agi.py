#!/usr/bin/env python
"""Asterisk asks Noli before it dials: AGI on standard input and output, or FastAGI with --serve.

    exten => _X.,1,AGI(agi.py,acme,${EXTEN})
    exten => _X.,n,GotoIf($["${NOLI_ALLOWED}" != "1"]?denied)
    exten => _X.,n,Dial(PJSIP/${EXTEN}@trunk)
    exten => _X.,n(denied),Hangup(21)

Arguments: the controller who calls, the number, and if wanted the purpose (marketing) and the
brand. Sets NOLI_ALLOWED (1 or 0) and NOLI_REASONS. Whatever goes wrong, NOLI_ALLOWED is not 1: the
dialplan must ask for 1, not for "not 0". NOLI_REPLICA and NOLI_PEPPER say which copy to ask.

AGI starts a process for each call; FastAGI keeps one, which answers in well under a millisecond:

    python agi.py --serve 127.0.0.1:4573      AGI(agi://127.0.0.1/,acme,${EXTEN})
"""

from __future__ import annotations

import socketserver
import sys
from collections.abc import Mapping
from typing import IO

from noli.replica.client import Gate
from noli.runtime import settings
from noli.runtime.pepper import pepper

CHANNEL = "operator_call"


def opened() -> Gate:
    """The gate over this host's copy."""
    config = settings.load()
    return Gate.open(config.replica, pepper=pepper(config), lease_seconds=config.lease_seconds)


def told(lines: IO[str]) -> dict[str, str]:
    """What Asterisk says of the call: `agi_name: value` lines up to an empty one."""
    found = {}
    for line in lines:
        if not line.strip():
            break
        name, _, value = line.partition(":")
        found[name.strip()] = value.strip()
    return found


def verdict(gate: Gate, call: Mapping[str, str]) -> tuple[bool, str]:
    """Whether to dial, and the reasons where not."""
    controller, number = call.get("agi_arg_1", ""), call.get("agi_arg_2", "")
    purpose, brand = call.get("agi_arg_3") or "marketing", call.get("agi_arg_4") or None
    if not controller or not number:
        return False, "agi.py needs the controller and the number"
    answer = gate.check(controller, ("phone", number), CHANNEL, purpose, brand)
    return answer.allowed, " ".join(answer.reasons)


def talk(gate: Gate, lines: IO[str], out: IO[str]) -> None:
    """One call: read it, ask, set the two variables. Each command is answered by a line."""
    allowed, reasons = verdict(gate, told(lines))
    # The reasons go first: a line that is cut off before the second leaves the call denied.
    for name, value in (("NOLI_REASONS", reasons), ("NOLI_ALLOWED", str(int(allowed)))):
        out.write(f'SET VARIABLE {name} "{value}"\n')
        out.flush()
        if not lines.readline().startswith("200"):
            return


class Caller(socketserver.StreamRequestHandler):
    """One FastAGI connection."""

    gate: Gate
    timeout = 5  # seconds: Asterisk answers at once

    def handle(self) -> None:
        """Talk as over a pipe."""
        with (
            self.request.makefile("r", encoding="utf-8", errors="replace") as lines,
            self.request.makefile("w", encoding="utf-8") as out,
        ):
            talk(self.gate, lines, out)


class Server(socketserver.ThreadingTCPServer):
    """FastAGI: a thread for each call that is being asked about."""

    allow_reuse_address = True
    daemon_threads = True


def serve(gate: Gate, where: str) -> None:
    """Answer until stopped."""
    host, _, port = where.rpartition(":")
    Caller.gate = gate
    with Server((host, int(port)), Caller) as server:
        print(f"listening on port {server.server_address[1]}", file=sys.stderr, flush=True)
        server.serve_forever()


def main() -> None:
    """AGI by default."""
    with opened() as gate:
        if sys.argv[1:2] == ["--serve"]:
            serve(gate, sys.argv[2])
        else:
            talk(gate, sys.stdin, sys.stdout)


if __name__ == "__main__":
    main()
