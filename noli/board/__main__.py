"""`python -m noli.board`: the status page, and as of when everything is aligned, over HTTP."""

from __future__ import annotations

import asyncio
from functools import partial

from noli.board import news
from noli.board.access import Door, is_loopback
from noli.board.archive import Archive
from noli.board.hub import Hub
from noli.board.known import Known
from noli.board.service import Parts, application
from noli.board.watch import Watch
from noli.runtime import httpserver, logging, registry, settings
from noli.runtime.announce import announce
from noli.runtime.apikeys import Keyring
from noli.runtime.listening import Listener
from noli.runtime.pepper import pepper
from noli.runtime.process import Stop, run


async def serve(config: settings.Settings, stop: Stop) -> None:
    """Show the board until SIGTERM or SIGINT."""
    known = Known()
    hub = Hub(known)
    codec = registry.codec(config)
    archive = Archive(config, codec, pepper(config), lambda: known.apps)
    watch = Watch(partial(Listener, config, news.TOPICS), codec, known, hub)
    door = Door(Keyring(config.api_keys_file), open_=config.board_open)
    listener = httpserver.bind(config.http_host, config.http_port)
    parts = Parts(known, hub, door, watch.ready, archive, config.runbooks_url)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch.run())
        await httpserver.serve(application(parts), listener, stop)
        watch.stop()


def main(stop: Stop) -> None:
    """Compose and serve. Raises ValueError for an open board that others could reach."""
    config = settings.load()
    logging.configure(config.instance, config.log_level)
    announce(config)
    if config.board_open and not is_loopback(config.http_host):
        raise ValueError(
            f"NOLI_BOARD_OPEN shows the board without a key, and {config.http_host} can be reached "
            "by others: unset it, or set NOLI_HTTP_HOST to 127.0.0.1"
        )
    httpserver.run(serve(config, stop))


if __name__ == "__main__":
    run(main, "noli.board")
