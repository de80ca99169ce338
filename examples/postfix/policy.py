#!/usr/bin/env python
"""Postfix asks Noli at each recipient of marketing mail: a policy service over this host's copy.

    policy.py acme 127.0.0.1:10031       # the controller who writes; perhaps a brand after it

In master.cf, for a port that takes marketing mail only:

    10.0.0.5:2525 inet n - y - - smtpd
      -o smtpd_recipient_restrictions=check_policy_service,inet:127.0.0.1:10031

Denied: 554. No fresh copy: 450, so the mail waits. Allowed: the restrictions after it decide. While
this program is down, Postfix defers by itself (451). NOLI_REPLICA and NOLI_PEPPER say which copy.
The protocol: http://www.postfix.org/SMTPD_POLICY_README.html
"""

from __future__ import annotations

import socketserver
import sys
from collections.abc import Iterator
from typing import IO

from noli.replica.gate import Gate
from noli.runtime import settings
from noli.runtime.pepper import pepper

CHANNEL, PURPOSE = "email", "marketing"
#: The copy cannot be trusted now: that is no answer about the recipient.
NO_ANSWER = "STALE_REPLICA"


def opened() -> Gate:
    """The gate over this host's copy."""
    config = settings.load()
    return Gate.open(config.replica, pepper=pepper(config), lease_seconds=config.lease_seconds)


def requests(lines: IO[str]) -> Iterator[dict[str, str]]:
    """Requests of one connection, which Postfix keeps: `name=value` lines up to an empty one."""
    asked: dict[str, str] = {}
    for line in lines:
        if line.strip():
            name, _, value = line.rstrip("\n").partition("=")
            asked[name] = value
        else:
            yield asked
            asked = {}


def action(gate: Gate, controller: str, brand: str | None, recipient: str) -> str:
    """What Postfix does with the recipient."""
    answer = gate.check(controller, ("email", recipient), CHANNEL, PURPOSE, brand)
    if answer.allowed:
        return "DUNNO"
    if NO_ANSWER in answer.reasons:
        return "450 4.7.1 cannot be asked about now"
    return f"554 5.7.1 may not be written to: {' '.join(answer.reasons)}"


class Asked(socketserver.StreamRequestHandler):
    """One connection of Postfix."""

    gate: Gate
    controller: str
    brand: str | None = None

    def handle(self) -> None:
        """Answer until it hangs up."""
        with (
            self.request.makefile("r", encoding="utf-8", errors="replace") as lines,
            self.request.makefile("w", encoding="utf-8") as out,
        ):
            for asked in requests(lines):
                said = action(self.gate, self.controller, self.brand, asked.get("recipient", ""))
                out.write(f"action={said}\n\n")
                out.flush()


class Server(socketserver.ThreadingTCPServer):
    """A thread for each of Postfix's processes."""

    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    """Answer until stopped."""
    controller, where, *brand = sys.argv[1:]
    host, _, port = where.rpartition(":")
    with opened() as gate:
        Asked.gate, Asked.controller, Asked.brand = gate, controller, (*brand, None)[0]
        with Server((host, int(port)), Asked) as server:
            print(f"listening on port {server.server_address[1]}", file=sys.stderr, flush=True)
            server.serve_forever()


if __name__ == "__main__":
    main()
