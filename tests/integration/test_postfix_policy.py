"""The example policy service, as a real Postfix asks it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.runtime.clock import now_ms
from tests.support.copies import CONTROLLER, PEPPER, Log, decision, denial, make, row
from tests.support.postfix import MailServer

PLACE: Final = Path(__file__).parents[2] / "examples" / "postfix" / "policy.py"
FREE, OBJECTED = "free@example.it", "objected@example.it"
PASSES, REFUSED, ASK_LATER, NOBODY_THERE = 250, 554, 450, 451


@contextmanager
def policy(server: MailServer, copy: Path, *, as_of: int) -> Iterator[None]:
    """The service over a copy that is as of that moment, where Postfix looks for it."""
    log = Log()
    log.claim(1)
    log.decide(Contact(Kind.EMAIL, FREE), decision([row(channels=["email"])]))
    log.decide(Contact(Kind.EMAIL, OBJECTED), decision([denial("OBJECTED", channels=["email"])]))
    log.beacon(as_of)
    make(copy, log)
    env = {"NOLI_REPLICA": str(copy), "NOLI_PEPPER": PEPPER.secret.hex()}
    argv = [sys.executable, str(PLACE), CONTROLLER, f"127.0.0.1:{server.policy}"]
    given = {**os.environ, **env, "NOLI_LEASE_SECONDS": "300"}
    process = subprocess.Popen(argv, env=given, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert re.search(r"listening on port \d+", process.stderr.readline())
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.mark.rule("OBJECT")
def test_postfix_is_told_at_each_recipient(postfix_server: MailServer, tmp_path: Path) -> None:
    """Allowed passes; objected, unknown and another way of writing it are refused; one session."""
    with policy(postfix_server, tmp_path / "copy", as_of=now_ms()):
        asked = (FREE, "Free@Example.it", OBJECTED, "nobody@example.it", "free+x@example.it")
        said = [postfix_server.rcpt(who, port=postfix_server.asking) for who in asked]
    assert said == [PASSES, PASSES, REFUSED, REFUSED, REFUSED]


def test_without_a_fresh_copy_mail_waits(postfix_server: MailServer, tmp_path: Path) -> None:
    """Nobody is refused for good, and nobody is let through, by a copy of yesterday."""
    with policy(postfix_server, tmp_path / "copy", as_of=now_ms() - 86_400_000):
        said = [postfix_server.rcpt(w, port=postfix_server.asking) for w in (FREE, OBJECTED)]
    assert said == [ASK_LATER] * 2


def test_while_nobody_answers_mail_waits(postfix_server: MailServer) -> None:
    """Postfix defers by itself."""
    assert postfix_server.rcpt(FREE, port=postfix_server.asking) == NOBODY_THERE
