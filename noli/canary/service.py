"""The process of the canaries, put together."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from noli.canary import doors, journal
from noli.canary.aviary import Aviary
from noli.canary.listening import Listener, starts
from noli.canary.prober import Parts, Prober
from noli.runtime import logging, registry, scan, settings
from noli.runtime.announce import announce
from noli.runtime.apps import Following
from noli.runtime.aside import aside
from noli.runtime.health import Health
from noli.runtime.kafka import Acked
from noli.runtime.logging import get_logger
from noli.runtime.pepper import pepper
from noli.runtime.process import Stop
from schemas.names import APPS, DECISIONS

log = get_logger()


async def serve(stop: Stop) -> None:
    """Probe until asked to stop; where canaries are not wanted, only wait for that."""
    config = settings.load()
    logging.configure(config.instance, config.log_level)
    announce(config)
    if not config.canary_seconds:
        await _idle(config, stop)
        return
    key, secret = doors.key(config), pepper(config)
    codec = await asyncio.to_thread(registry.codec, config)
    known = await asyncio.to_thread(journal.recall, config, codec)
    partitions = await asyncio.to_thread(scan.partitions, config, [DECISIONS])
    async with AsyncExitStack() as closing:
        public = doors.Doors(config, key)
        closing.push_async_callback(public.aclose)
        acked = Acked(config)
        closing.push_async_callback(acked.close)
        # First the ear, then who there is: nobody is sent a canary whose receipt would be missed.
        listener = await asyncio.to_thread(Listener, config, codec, starts(known.values()))
        following = await asyncio.to_thread(Following, config, codec, APPS)
        parts = Parts(
            public,
            following,
            listener,
            journal.Journal(acked, codec),
            secret,
            partitions[DECISIONS],
            config.canary_seconds,
        )
        prober = Prober(parts, Aviary(known))
        health = Health(config.http_host, config.http_port, prober.ready)
        closing.callback(health.close)
        asked = asyncio.Event()
        waiting = asyncio.create_task(_hear(stop, asked))
        await prober.run(asked)
        await waiting


async def _hear(stop: Stop, asked: asyncio.Event) -> None:
    await aside(stop.wait)
    asked.set()


async def _idle(config: settings.Settings, stop: Stop) -> None:
    log.info("canary.off", why="NOLI_CANARY_SECONDS is 0")
    health = Health(config.http_host, config.http_port, lambda: (True, {"why": "off"}))
    try:
        await aside(stop.wait)
    finally:
        health.close()
