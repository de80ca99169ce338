"""Which applications there are and how far, for `/v1/apps`; read from the log when asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Protocol

from noli.runtime import standing
from noli.runtime.apps import Book
from noli.runtime.aside import aside
from noli.runtime.broker import BrokerUnavailable
from noli.runtime.registry import RegistryUnavailable
from noli.runtime.scan import LogUnavailable
from noli.runtime.settings import Settings
from noli.runtime.standing import Standing
from noli.wire.apps import App
from schemas.codec import Codec
from schemas.names import APPS

#: What a roster raises where it cannot be read; the text says why.
UNREADABLE: Final = (LogUnavailable, BrokerUnavailable, RegistryUnavailable)


class Roster(Protocol):
    """What there is, and how far. Both raise what `UNREADABLE` names."""

    async def apps(self) -> Mapping[str, App]:
        """Every application as the log has it now."""

    async def standings(self, apps: Sequence[App]) -> Sequence[Standing]:
        """How far each of them is."""


class LoggedRoster:
    """The real one. Looks wait for each other: events are taken meanwhile, by the same process."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._settings = settings
        self._codec = codec
        self._book = Book(settings, codec, APPS)
        self._one = asyncio.Lock()

    async def apps(self) -> Mapping[str, App]:
        """What is new since the last look is read."""
        async with self._one:
            return await aside(self._book.look)

    async def standings(self, apps: Sequence[App]) -> Sequence[Standing]:
        """By the offsets that the connectors committed, and what the watcher knows."""
        async with self._one:
            return await aside(partial(standing.look, self._settings, apps, self._codec))
