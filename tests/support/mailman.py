"""A real Mailman core for the whole test session: `mailman`. Only its REST interface runs."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx2
import psutil
import pytest

from connectors.sinks.mailman import Mailman
from noli.cli.stack import ports
from noli.cli.stack.program import until
from tests.support.environments import environment
from tests.support.servers import PASSWORD, START_S, running, scratch

HOST: Final = "example.it"
_lists = itertools.count(1)
_CONFIG: Final = """[mailman]
layout: here
site_owner: owner@example.it
[paths.here]
var_dir: {root}/var
[webservice]
hostname: {host}
port: {port}
admin_user: restadmin
admin_pass: {password}
workers: 1
[mta]
incoming: mailman.mta.null.NullMTA
"""


@dataclass(frozen=True)
class Post:
    """The server, asked by its administrator."""

    url: str
    pid: int

    def ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> int:
        """The status of the answer."""
        answer = httpx2.request(
            method,
            self.url + path,
            data=dict(form or {}) or None,
            auth=("restadmin", PASSWORD),
            timeout=START_S,
        )
        return answer.status_code

    def new_list(self) -> str:
        """A new, empty mailing list."""
        name = f"list-{next(_lists)}@{HOST}"
        assert self.ask("POST", "/lists", {"fqdn_listname": name}) == 201
        return name

    def subscribe(self, on: str, address: str) -> int:
        """The status of subscribing an address without asking it, as an owner does."""
        form = {"list_id": on.replace("@", "."), "subscriber": address}
        certain = dict.fromkeys(("pre_verified", "pre_confirmed", "pre_approved"), "True")
        return self.ask("POST", "/members", {**form, **certain})

    def is_on(self, on: str, address: str) -> bool:
        """Whether the list writes to the address."""
        return self.ask("GET", f"/lists/{on}/member/{address}") == 200

    def is_banned(self, on: str, address: str) -> bool:
        """Whether it cannot be subscribed."""
        return self.ask("GET", f"/lists/{on}/bans/{address}") == 200

    def ban(self, on: str, address: str) -> None:
        """Ban it, as whoever works there does."""
        assert self.ask("POST", f"/lists/{on}/bans", {"email": address}) == 201

    def unban(self, on: str, address: str) -> None:
        """Lift the ban, whoever set it."""
        assert self.ask("DELETE", f"/lists/{on}/bans/{address}") == 204

    def config(self, on: str, **over: object) -> Mailman.Config:
        """What a sink of a list needs."""
        config = {"url": self.url, "password": PASSWORD, "lists": {on: "*"}, **over}
        return Mailman.Config.model_validate({"timeout_s": 10, **config})

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """While entered, it takes connections and does not answer."""
        mine = psutil.Process(self.pid)
        processes = [self.pid, *(child.pid for child in mine.children(recursive=True))]
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="session")
def mailman() -> Iterator[Post]:
    """A Mailman with the domain example.it and no list."""
    if sys.version_info >= (3, 13):
        pytest.skip("Mailman 3.3 wants nntplib, which Python 3.13 has not")
    home = environment("mailman")
    with scratch("mailman") as root:
        port = ports.choose(["mailman"])["mailman"]
        config = root / "mailman.cfg"
        config.write_text(_CONFIG.format(root=root, host=ports.HOST, port=port, password=PASSWORD))
        argv = [home / "bin" / "runner", "-C", config, "--runner=rest:0:1"]
        with running("mailman", [str(word) for word in argv], root) as server:
            post = Post(f"http://{ports.HOST}:{port}/3.1", server.pid)
            until(lambda: answers(post), server, START_S)
            assert post.ask("POST", "/domains", {"mail_host": HOST}) == 201
            yield post


def answers(post: Post) -> bool:
    """Whether it takes requests."""
    try:
        return post.ask("GET", "/system/versions") == 200
    except httpx2.HTTPError:
        return False
