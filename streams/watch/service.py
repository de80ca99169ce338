"""The process of a watcher, put together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from noli.runtime import logging, registry, settings
from noli.runtime.announce import announce
from noli.runtime.health import Health
from noli.runtime.process import die, heard
from streams.watch.app import create_app
from streams.watch.campaign_room import CampaignRoom
from streams.watch.room import AlignmentRoom, Room

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import faust

    from noli.runtime.process import Stop
    from noli.runtime.settings import Settings
    from schemas.codec import Codec

#: A stop takes no longer, whatever Faust still waits for, in seconds; what was not acknowledged by
#: then is read again.
_STOP_S: Final = 1.5

#: What a watcher does, each made from the settings and the codec, on the event loop.
ROOMS: Final[tuple[Callable[[Settings, Codec], Room], ...]] = (
    AlignmentRoom,
    CampaignRoom,
)


async def serve(stop: Stop) -> None:
    """Run every room until asked to stop. Raises what broke the app."""
    config = settings.load()
    logging.configure(config.instance, config.log_level)
    announce(config)
    codec = registry.codec(config)
    rooms = [make(config, codec) for make in ROOMS]
    app = create_app(config, rooms)
    health = Health(config.http_host, config.http_port, lambda: _ready(rooms))
    try:
        await _run(app, stop, config.instance)
    finally:
        for room in rooms:
            await room.aclose()
        health.close()


async def _run(app: faust.App, stop: Stop, name: str) -> None:
    app.loop = asyncio.get_running_loop()
    app.finalize()
    asked = heard(stop, _STOP_S)
    await app.start()
    crashed = asyncio.ensure_future(app.wait_until_stopped())
    stopping = asyncio.ensure_future(asked.wait())
    await asyncio.wait({crashed, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if app.crash_reason is not None:
        die(name, app.crash_reason)
    await app.stop()


def _ready(rooms: list[Room]) -> tuple[bool, Mapping[str, object]]:
    """Ready when every room is."""
    told = [room.ready() for room in rooms]
    words = {key: value for _, detail in told for key, value in detail.items()}
    return all(ok for ok, _ in told), words
