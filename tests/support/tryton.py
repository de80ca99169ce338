"""A real Tryton with its e-mail marketing for the whole test session: `tryton`."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError

import pytest

from connectors.sinks.tryton import Tryton
from noli.cli.stack import ports
from noli.cli.stack.program import until
from tests.support.environments import environment, run
from tests.support.servers import PASSWORD, START_S, running, scratch

#: The key of our user application there.
KEY: Final = "a-key-of-tryton-" * 4
LOGIN: Final = "noli"
_lists = itertools.count(1)


@dataclass(frozen=True)
class Office:
    """The database, asked and changed by its administrator over JSON-RPC."""

    url: str
    pid: int
    authority: str

    def ask(self, model: str, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON
        """What a method of a model returns; inactive rows are seen."""
        said = {"id": 1, "method": f"model.{model}.{method}"}
        context = {"active_test": False}
        return posted(self.url, {**said, "params": [*params, context]}, self.authority)

    def new_list(self) -> int:
        """Id of a new, empty mailing list."""
        (found,) = self.ask("marketing.email.list", "create", [{"name": f"List {next(_lists)}"}])
        return int(found)

    def subscribe(self, on: int, address: str) -> None:
        """Put an address on a list, as whoever works there does."""
        self.ask("marketing.email", "create", [{"email": address, "list_": on}])

    def active(self, on: int, address: str) -> bool | None:
        """Whether the list writes to the address; None: it is not on it."""
        domain = [("email", "=", address), ("list_", "=", on)]
        rows = self.ask("marketing.email", "search_read", domain, 0, None, None, ["active"])
        return bool(rows[0]["active"]) if rows else None

    def turn(self, on: int, address: str, *, active: bool) -> None:
        """Make a row active or not."""
        ids = self.ask("marketing.email", "search", [("email", "=", address), ("list_", "=", on)])
        self.ask("marketing.email", "write", ids, {"active": active})

    def config(self, on: int, **over: object) -> Tryton.Config:
        """What a sink of a list needs."""
        config = {"url": self.url, "key": KEY, "user": LOGIN, "lists": {on: "*"}, **over}
        return Tryton.Config.model_validate({"timeout_s": 10, **config})


def posted(url: str, said: object, authority: str = "") -> Any:  # noqa: ANN401 - JSON
    """The result of a JSON-RPC call."""
    headers = {"Content-Type": "application/json"}
    if authority:
        headers["Authorization"] = authority
    request = urllib.request.Request(f"{url}/rpc/", json.dumps(said).encode(), headers)
    with urllib.request.urlopen(request, timeout=START_S) as answer:
        found = json.load(answer)
    assert "result" in found, found
    return found["result"]


@pytest.fixture(scope="session")
def tryton() -> Iterator[Office]:
    """A database with a user of ours in group Marketing, and its key."""
    home = environment("tryton")
    with scratch("tryton") as root:
        port = ports.choose(["tryton"])["tryton"]
        shutil.copy(template(home), root / "noli.sqlite")
        argv = [home / "bin" / "trytond", "-c", written(root, port), "-d", "noli"]
        url = f"http://{ports.HOST}:{port}/noli"
        with running("tryton", [str(word) for word in argv], root) as server:
            until(lambda: answers(url), server, START_S)
            office = Office(url, server.pid, logged_in(url))
            give_key(office)
            yield office


def template(home: Path) -> Path:
    """The database with the module activated: made once per environment, it takes 10 s."""
    made = home / "noli.sqlite"
    if not made.exists():
        with scratch("tryton-new") as root:
            (root / "noli.sqlite").touch()
            (root / "password").write_text(PASSWORD)
            argv = ["-c", written(root, 0), "-d", "noli", "-u", "marketing_email"]
            argv += ["--activate-dependencies", "--email", "admin@example.it"]
            environ = f"TRYTONPASSFILE={root / 'password'}"
            run("env", environ, home / "bin" / "trytond-admin", *argv)
            shutil.copy(root / "noli.sqlite", made.with_suffix(".part"))
            made.with_suffix(".part").rename(made)
    return made


def written(root: Path, port: int) -> Path:
    """The server's own configuration."""
    file = root / "trytond.conf"
    file.write_text(
        f"[database]\nuri = sqlite://\npath = {root}\n[web]\nlisten = {ports.HOST}:{port}\n"
    )
    return file


def answers(url: str) -> bool:
    """Whether it listens."""
    try:
        logged_in(url)
    except URLError:
        return False
    return True


def logged_in(url: str) -> str:
    """The header of a session of the administrator."""
    said = {"id": 1, "method": "common.db.login", "params": ["admin", {"password": PASSWORD}]}
    user, session, _ = posted(url, said)
    return "Session " + base64.b64encode(f"admin:{user}:{session}".encode()).decode()


def give_key(office: Office) -> None:
    """A user of ours, as the how-to tells to make it."""
    groups = office.ask("res.group", "search", [("name", "=", "Marketing")])
    user = {"name": "Noli", "login": LOGIN, "groups": [("add", groups)]}
    (ours,) = office.ask("res.user", "create", [user])
    application = {"user": ours, "application": "rest", "key": KEY}
    office.ask("res.user.application", "create", [application])
