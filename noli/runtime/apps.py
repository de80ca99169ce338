"""`noli.apps`, read and appended to: whoever adds, pauses or reads back an application says so."""

from __future__ import annotations

import getpass
import socket
import uuid
from typing import TYPE_CHECKING, Protocol

from noli.runtime import scan
from noli.runtime.clock import now_ms
from noli.runtime.tail import Reading
from noli.wire import apps
from schemas.codec import UnreadableError

if TYPE_CHECKING:
    from noli.runtime.kafka import Placed
    from noli.runtime.settings import Settings
    from noli.wire.apps import App, Face, Part, Verb
    from schemas.codec import Codec


def look(settings: Settings, codec: Codec, topic: str) -> dict[str, App]:
    """Every application as the log has it now. Raises `noli.runtime.scan.LogUnavailable`."""
    return Book(settings, codec, topic).look()


class Book:
    """The applications, read on from where the last look ended. One look at a time."""

    def __init__(self, settings: Settings, codec: Codec, topic: str) -> None:
        self._settings = settings
        self._codec = codec
        self._topic = topic
        self.apps: dict[str, App] = {}
        #: By partition, the offset after what was read.
        self.after: dict[int, int] = {}

    def look(self) -> dict[str, App]:
        """Every application as the log has it now; blocks.

        Raises `noli.runtime.scan.LogUnavailable`.
        """
        for partition in range(scan.partitions(self._settings, [self._topic])[self._topic]):
            place = {self._topic: partition}
            since = {self._topic: self.after[partition]} if partition in self.after else {}
            for record in scan.records(self._settings, place, since=since):
                self.apps = _after(self.apps, self._codec, record.value)
                self.after[partition] = record.offset + 1
        return self.apps


class Following:
    """The applications, kept current. For one thread; never commits."""

    def __init__(self, settings: Settings, codec: Codec, topic: str) -> None:
        """Read all there is. Raises `noli.runtime.scan.LogUnavailable`."""
        book = Book(settings, codec, topic)
        self.apps, self._next = book.look(), book.after
        self._codec = codec
        self._reading = Reading(settings, topic)

    def read(self, wait_s: float) -> bool:
        """Take what is new, waiting for it so many seconds; whether there was anything.

        A broker that is away is no news: the applications stay as they are.
        """
        records = self._reading.take_patiently(wait_s)
        fresh = [r for r in records if r.offset >= self._next.get(r.partition, 0)]
        for record in fresh:
            self.apps = _after(self.apps, self._codec, record.value)
        return bool(fresh)

    def close(self) -> None:
        """Leave the brokers."""
        self._reading.close()


class Appending(Protocol):
    """Where a record becomes durable: `noli.runtime.kafka.Acked`."""

    async def send(self, topic: str, key: bytes | None, value: bytes) -> Placed:
        """Append one record; its place. Raises `NotDurable`."""


class Desk:
    """Appends to `noli.apps`. Each call returns once the broker has it, or raises `NotDurable`."""

    def __init__(self, acked: Appending, codec: Codec, topic: str) -> None:
        self._acked = acked
        self._codec = codec
        self._topic = topic

    async def act(
        self, app: str, verb: Verb, *, by: str, reason: str | None = None,
        face: Face | None = None, sample: float = 1.0,
    ) -> str:  # fmt: skip
        """Say that something is done to an application; the id of the action."""
        action_id = str(uuid.uuid4())
        datum = apps.action(
            app, verb, action_id=action_id, at=now_ms(), by=by, reason=reason, face=face,
            sample=sample,
        )  # fmt: skip
        value = self._codec.encode("noli.AppAction", datum)
        await self._acked.send(self._topic, app.encode(), value)
        return action_id

    async def progress(
        self, app: str, action_id: str, worker: str, partition: int, part: Part
    ) -> None:
        """Say how far a job has come on a partition."""
        datum = apps.progress(app, action_id, worker, partition, part)
        value = self._codec.encode("noli.AppProgress", datum)
        await self._acked.send(self._topic, app.encode(), value)


def whoami() -> str:
    """The person at this terminal, for the record: user and host."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _after(found: dict[str, App], codec: Codec, value: bytes | None) -> dict[str, App]:
    try:
        return apps.folded(found, *codec.decode(value))
    except UnreadableError:
        return found  # a newer build's; it can change nothing here
