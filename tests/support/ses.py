"""moto, which answers as Amazon SES does, for the whole test session: `ses`. boto3 is its judge."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

import boto3
import pytest

from connectors.sinks.ses import Ses
from noli.cli.stack import ports
from noli.cli.stack.program import until
from tests.support.environments import environment
from tests.support.servers import PASSWORD, START_S, running, scratch

REGION: Final = "eu-south-1"
KEY: Final = "AKIANOTAREALKEY"
_lists = itertools.count(1)


@dataclass(frozen=True)
class Account:
    """The account, asked by its administrator with Amazon's own client."""

    url: str
    pid: int
    client: Any

    def new_list(self, topics: Sequence[str] = ()) -> str:
        """A new, empty contact list."""
        name = f"list-{next(_lists)}"
        default = {"DefaultSubscriptionStatus": "OPT_IN"}
        named = [{"TopicName": topic, "DisplayName": topic, **default} for topic in topics]
        self.client.create_contact_list(ContactListName=name, Topics=named)
        return name

    def contact(self, on: str, address: str) -> dict[str, Any] | None:
        """What the list holds of an address."""
        try:
            found = self.client.get_contact(ContactListName=on, EmailAddress=address)
        except self.client.exceptions.NotFoundException:
            return None
        kept = ("UnsubscribeAll", "TopicPreferences", "AttributesData")
        return {name: found[name] for name in kept if name in found}

    def put(self, on: str, address: str, **said: object) -> None:
        """Create or change a contact, as a page of preferences does."""
        method = "create_contact" if self.contact(on, address) is None else "update_contact"
        getattr(self.client, method)(ContactListName=on, EmailAddress=address, **said)

    def config(self, on: str, **over: object) -> Ses.Config:
        """What a sink of a list needs."""
        secret = {"access_key_id": KEY, "secret_access_key": PASSWORD}
        place = {"region": REGION, "contact_list": on, "endpoint_url": self.url}
        pace = {"requests_per_s": 1000, "timeout_s": 10}
        return Ses.Config.model_validate({**place, **secret, **pace, **over})

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """While entered, it takes connections and does not answer."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@pytest.fixture(scope="session")
def ses() -> Iterator[Account]:
    """An account without a contact list."""
    home = environment("ses")
    with scratch("ses") as root:
        port = ports.choose(["ses"])["ses"]
        argv = [str(home / "bin" / "moto_server"), "-H", ports.HOST, "-p", str(port)]
        url = f"http://{ports.HOST}:{port}"
        with running("ses", argv, root) as server:
            until(lambda: answers(url), server, START_S)
            secret = {"aws_access_key_id": KEY, "aws_secret_access_key": PASSWORD}
            client = boto3.client("sesv2", region_name=REGION, endpoint_url=url, **secret)
            yield Account(url, server.pid, client)
            client.close()


def answers(url: str) -> bool:
    """Whether it listens."""
    try:
        with urlopen(f"{url}/moto-api/", timeout=START_S):
            return True
    except URLError:
        return False
