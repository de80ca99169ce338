"""`python -m noli.campaigns`: keeps the statistics of campaigns in PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from typing import Final

import uvloop

from noli.campaigns.service import Writer
from noli.runtime import registry
from noli.runtime import settings as configuration
from noli.runtime.health import Health
from noli.runtime.logging import configure, get_logger
from noli.runtime.process import Stop, run

_NAME: Final = "campaigns"


def main(stop: Stop) -> None:
    """Write until asked to stop."""
    settings = configuration.load()
    configure(_NAME, settings.log_level)
    uvloop.run(_serve(Writer(settings, registry.codec(settings)), settings, stop))


async def _serve(writer: Writer, settings: configuration.Settings, stop: Stop) -> None:
    with closing(Health(settings.http_host, settings.http_port, writer.ready)) as health:
        get_logger().info("listening", host=settings.http_host, port=health.port)
        await writer.run(stop)


if __name__ == "__main__":
    run(main, _NAME)
