"""A whole company on this machine: a stack, an application behind a webhook, a dialer's table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from noli.cli.demo import application
from noli.cli.demo.application import Application
from noli.cli.stack.postgres import embedded_postgres
from noli.runtime.settings import Settings
from tests.support import blackbox
from tests.support.blackbox import CONTROLLER, Client, Contact, Dialer, Stack, until

#: "Every application of the company holds that within seconds."
SECONDS: Final = 10.0


@dataclass
class World:
    """A stack, the two applications it serves, and somebody who sends and asks."""

    stack: Stack
    crm: Application
    dialer: Dialer
    client: Client
    tmp: Path

    def held(self, contact: Contact, channel: str) -> list[bool]:
        """What webhook application, table and lookup would do."""
        return [
            self.crm.allowed(contact, channel),
            *self.dialer.allowed([contact], channel),
            *self.client.allowed([contact], channel),
        ]

    def everywhere(
        self, contact: Contact, channel: str, *, allowed: bool, deadline_s: float = SECONDS
    ) -> None:
        """Wait until both applications and the lookup agree, within seconds."""
        found: list[bool] = []

        def agree() -> bool:
            found[:] = self.held(contact, channel)
            return found == [allowed] * 3

        what = f"{channel} is not {allowed} at all of webhook, PostgreSQL, lookup"
        until(agree, what, deadline_s)

    def settings(self) -> Settings:
        """Settings that point at its log."""
        found = self.stack.endpoints()
        return Settings(kafka=found["kafka"], registry=found["registry"], data=self.tmp / "reader")


def manifest(folder: Path, app: str, sink: str, config: dict[str, Any], **more: Any) -> None:  # noqa: ANN401
    """Write the manifest of an application; `more` are its other fields."""
    folder.mkdir(exist_ok=True)
    found = {"app": app, "sink": sink, "controllers": [CONTROLLER], "config": config, **more}
    (folder / f"{app}.yaml").write_text(yaml.safe_dump(found), "utf-8")


def webhook_manifest(folder: Path, app: str, behind: Application) -> None:
    """Write the manifest of an application behind a webhook on this machine."""
    config = {"url": behind.url, "secret": behind.secret, "allow_private_addresses": True}
    manifest(folder, app, "webhook", config)


@contextmanager
def opened(tmp: Path, *options: str, **dialer_fields: Any) -> Iterator[World]:  # noqa: ANN401
    """A running world for one block of code; `options` are those of `noli up`.

    `dialer_fields` go into the manifest of the PostgreSQL application.
    """
    with application.running() as crm, embedded_postgres() as server:
        webhook_manifest(tmp / "apps", "crm", crm)
        manifest(tmp / "apps", "dialer", "postgres", {"dsn": server.dsn}, **dialer_fields)
        blackbox.run("app", "check", "--fix", str(tmp / "apps" / "dialer.yaml"))
        with (
            blackbox.up(tmp / "data", tmp / "apps", *options) as stack,
            stack.client() as client,
            closing(Dialer(server.dsn)) as dialer,
        ):
            yield World(stack, crm, dialer, client, tmp)
