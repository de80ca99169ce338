"""The process of one application, put together: the only place that knows every part."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

from connectors import manifest, registry
from connectors.inlet import Inlet
from connectors.ledger import fenced
from connectors.lens import Lens
from connectors.manifest import Manifest
from connectors.orders import Orders, is_probed
from connectors.protocol import Retry, Serving, Sink
from connectors.receipts import Receipts
from connectors.runner import Parts, Runner
from connectors.snapshot import View
from connectors.survey import Office
from noli.runtime import alignment, logging, scan, settings
from noli.runtime import registry as schemas
from noli.runtime.announce import announce
from noli.runtime.apps import Desk, Following
from noli.runtime.health import Health
from noli.runtime.kafka import Acked
from noli.runtime.process import Stop, heard
from schemas.codec import Codec
from schemas.names import APPS, DECISIONS, RECEIPTS

#: A stop takes less than 2 s, on a busy machine and whatever a target does. What is not committed
#: by then is repeated by the next process.
_STOP_S: Final = 1.4


class NoManifest(Exception):
    """NOLI_APP_MANIFEST names no manifest: set it to the application's YAML file."""


async def serve(stop: Stop) -> None:
    """Compose the runner of one application and run it until it is asked to stop."""
    config = settings.load()
    logging.configure(config.instance, config.log_level)
    announce(config)
    path = config.app_manifest
    if path is None:
        raise NoManifest(NoManifest.__doc__)
    app = manifest.load(path)
    codec = schemas.codec(config)
    asked = heard(stop, _STOP_S)
    ledger = config.data / "ledgers" / f"{app.app}.sqlite"
    async with AsyncExitStack() as closing:
        target = registry.open_sink(app, path)
        lens = _lens(app, target)
        sink = fenced(target, ledger)
        closing.push_async_callback(sink.aclose)
        await _served(target)
        acked = Acked(config)
        closing.push_async_callback(acked.close)
        inlet = Inlet(config, f"noli.app.{app.app}", DECISIONS)
        closing.push_async_callback(inlet.aclose)
        receipts = Receipts(acked, codec, RECEIPTS, app.app, config.instance)
        runner = Runner(Parts(app.app, sink, lens, inlet, receipts, codec, app.most_per_second))
        office = Office(
            app.app,
            config.instance,
            runner,
            View(config, DECISIONS, lens, codec, config.data / "surveys"),
            Desk(acked, codec, APPS),
            lambda: fenced(registry.open_sink(app, path), ledger),
            asked,
            lambda: _wrong(config, codec, app.app),
        )
        following = await asyncio.to_thread(Following, config, codec, APPS)
        health = Health(config.http_host, config.http_port, runner.ready)
        closing.callback(health.close)
        await _both(runner.run(asked), Orders(office, app, following).run(), asked)


def _lens(app: Manifest, sink: Sink) -> Lens:
    return Lens(
        app.controllers,
        app.channels,
        app.purposes,
        third_party=app.third_party,
        canary=is_probed(app, sink.traits),
    )


def _wrong(config: settings.Settings, codec: Codec, app: str) -> frozenset[str]:
    """Tokens of the contacts that the watcher has as held wrongly by an application."""
    try:
        found = alignment.look(config, codec).get(app)
    except scan.LogUnavailable as error:  # then they are told as verified by the next survey
        logging.get_logger().warning("wrong.unknown", why=str(error))
        found = None
    return frozenset(one.token.hex() for one in found.wrong) if found else frozenset()


async def _served(target: Sink) -> None:
    """Listen for a target that comes to us; what is wrong with it, its first change will say."""
    if isinstance(target, Serving):
        with suppress(Retry):
            await target.serve()


async def _both(
    runner: Coroutine[Any, Any, None], orders: Coroutine[Any, Any, None], asked: asyncio.Event
) -> None:
    """Until the runner has stopped; what breaks either of them is raised."""
    tasks = [asyncio.create_task(runner), asyncio.create_task(orders)]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        asked.set()
        tasks[1].cancel()
        await asyncio.wait(tasks)
    tasks[0].result()
