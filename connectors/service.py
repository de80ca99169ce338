"""The process of one application, put together: the only place that knows every part."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import AsyncExitStack
from typing import Final

from connectors import manifest, registry
from connectors.inlet import Inlet
from connectors.ledger import fenced
from connectors.lens import Lens
from connectors.receipts import Receipts
from connectors.runner import Parts, Runner
from noli.runtime import logging, settings
from noli.runtime import registry as schemas
from noli.runtime.health import Health
from noli.runtime.kafka import Acked
from noli.runtime.process import Stop
from schemas.names import DECISIONS, RECEIPTS

#: A stop takes less than 2 s, on a busy machine and whatever a target does. What is not committed
#: by then is repeated by the next process.
_STOP_S: Final = 1.4


class NoManifest(Exception):
    """NOLI_APP_MANIFEST names no manifest: set it to the application's YAML file."""


async def serve(stop: Stop) -> None:
    """Compose the runner of one application and run it until it is asked to stop."""
    config = settings.load()
    logging.configure(config.instance, config.log_level)
    path = config.app_manifest
    if path is None:
        raise NoManifest(NoManifest.__doc__)
    app = manifest.load(path)
    lens = Lens(app.controllers, app.channels, app.purposes, third_party=app.third_party)
    codec = schemas.codec(config)
    async with AsyncExitStack() as closing:
        sink = fenced(registry.open_sink(app, path), config.data / "ledgers" / f"{app.app}.sqlite")
        closing.push_async_callback(sink.aclose)
        acked = Acked(config)
        closing.push_async_callback(acked.close)
        inlet = Inlet(config, f"noli.app.{app.app}", DECISIONS)
        closing.push_async_callback(inlet.aclose)
        receipts = Receipts(acked, codec, RECEIPTS, app.app, config.instance)
        runner = Runner(Parts(app.app, sink, lens, inlet, receipts, codec))
        health = Health(config.http_host, config.http_port, runner.ready)
        closing.callback(health.close)
        await runner.run(_heard(stop))


def _heard(stop: Stop) -> asyncio.Event:
    """The request to stop as an event of this loop; from then on the process has `_STOP_S`."""
    loop, heard = asyncio.get_running_loop(), asyncio.Event()

    def hear() -> None:
        stop.wait()
        limit = threading.Timer(_STOP_S, os._exit, [0])
        limit.daemon = True
        limit.start()
        loop.call_soon_threadsafe(heard.set)

    threading.Thread(target=hear, name="stop", daemon=True).start()
    return heard
