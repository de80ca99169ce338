"""A real Postfix of its own: a port for marketing mail, one for other mail, mailboxes for both.

It needs root, as Postfix does; where there is none, its tests are skipped and say so.
"""

from __future__ import annotations

import os
import pwd
import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from connectors.sinks.postfix import Postfix
from noli.cli.stack import ports
from noli.cli.stack.program import until
from tests.support.blackbox import until as seen
from tests.support.servers import START_S, installed, running, scratch

#: For one command, and for a mail to arrive, in seconds.
MAIL_S: Final = 20.0
_NOBODY: Final = 65534
_MASTER_PROGRAM: Final = "/usr/lib/postfix/sbin/master"
_MAIN: Final = """compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
myhostname = mx.example.it
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = {host}
inet_protocols = ipv4
smtpd_peername_lookup = no
maillog_file = {root}/log
maillog_file_prefixes = {root}
recipient_delimiter = -
recipient_delimiter = +
nobody_uses_this = warned about by every command
smtpd_relay_restrictions = permit_mynetworks, reject
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:box/
virtual_mailbox_base = {root}/mail
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
"""
_MASTER: Final = """{host}:{marketing} inet n - n - - smtpd
  -o smtpd_recipient_restrictions=check_recipient_access,lmdb:{root}/noli,reject
  -o recipient_delimiter=
{host}:{asking} inet n - n - - smtpd
  -o smtpd_recipient_restrictions=check_policy_service,inet:{host}:{policy}
{host}:{other} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class MailServer:
    """Where it takes mail, and where that ends up."""

    root: Path
    marketing: int
    #: Asks a policy service at that port, once somebody listens there.
    asking: int
    policy: int
    other: int

    @property
    def table(self) -> Path:
        """What its marketing port asks."""
        return self.root / "noli"

    def config(self, **over: object) -> Postfix.Config:
        """What a sink of it needs."""
        config = {"table": self.table, "config_dir": self.root / "etc", "timeout_s": 5, **over}
        return Postfix.Config.model_validate(config)

    def rcpt(self, address: str, *, marketing: bool = True, port: int | None = None) -> int:
        """Status of RCPT TO, without sending anything."""
        port = port or (self.marketing if marketing else self.other)
        with smtplib.SMTP(ports.HOST, port, timeout=MAIL_S) as client:
            client.ehlo()
            client.mail("news@shop.example")
            return client.rcpt(address)[0]

    def deliver(self, address: str, *, marketing: bool = True) -> int:
        """Status of a whole delivery: 250 once the mail lies in the mailbox, else of RCPT TO."""
        port = self.marketing if marketing else self.other
        before = len(self._mails())
        with smtplib.SMTP(ports.HOST, port, timeout=MAIL_S) as client:
            try:
                client.sendmail("news@shop.example", [address], "Subject: offers\r\n\r\nBuy.\r\n")
            except smtplib.SMTPRecipientsRefused as refused:
                return refused.recipients[address][0]
        seen(lambda: len(self._mails()) > before, "the mail in its mailbox", MAIL_S)
        return 250

    def postmap(self, *arguments: str, said: str = "") -> str:
        """An administrator's own command on the table."""
        argv = ["/usr/sbin/postmap", *arguments, f"lmdb:{self.table}"]
        return subprocess.run(
            argv,
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=MAIL_S,
            umask=0o077,
        ).stdout

    def postfix(self, command: str) -> None:
        """`postfix check`, `reload`, …, of this one."""
        argv = ["/usr/sbin/postfix", "-c", str(self.root / "etc"), command]
        subprocess.run(argv, capture_output=True, check=True, timeout=MAIL_S)

    def _mails(self) -> list[Path]:
        return list((self.root / "mail" / "box" / "new").glob("*"))


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A Postfix with an empty table."""
    installed("postfix", "postfix postfix-lmdb")
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only: run this test as root")
    with scratch("postfix") as root:
        root.chmod(0o755)  # Postfix's processes run as several users
        at = ports.choose(["marketing", "asking", "policy", "other"])
        for name in ("etc", "queue", "data", "mail"):
            (root / name).mkdir()
        os.chown(root / "data", pwd.getpwnam("postfix").pw_uid, -1)
        os.chown(root / "mail", _NOBODY, _NOBODY)
        given = {"root": root, "host": ports.HOST, "nobody": _NOBODY, **at}
        (root / "etc" / "main.cf").write_text(_MAIN.format(**given))
        (root / "etc" / "master.cf").write_text(_MASTER.format(**given))
        found = MailServer(root, **at)
        found.postmap("-i", "-r")
        found.postfix("check")  # makes the folders of its queue
        # Not by `postfix start-fg`: that would leave the master behind when it is told to stop.
        argv = [_MASTER_PROGRAM, "-c", str(root / "etc"), "-d"]
        with running("postfix", argv, root) as server:
            until(lambda: answers(at["other"]), server, START_S)
            yield found


@pytest.fixture(scope="session")
def postfix_server() -> Iterator[MailServer]:
    """One Postfix for the session; each test has addresses of its own."""
    with mail_server() as found:
        yield found


def answers(port: int) -> bool:
    """Whether it greets."""
    try:
        with smtplib.SMTP(ports.HOST, port, timeout=1):
            return True
    except (OSError, smtplib.SMTPException):
        return False
