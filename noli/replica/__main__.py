"""`python -m noli.replica`: the writer of this host's copy of noli.decisions."""

from __future__ import annotations

from contextlib import closing

from noli.replica.writer import Writer
from noli.runtime import settings as configuration
from noli.runtime.health import Health
from noli.runtime.logging import configure, get_logger
from noli.runtime.process import Stop, run
from noli.runtime.registry import codec

_NAME = "replica"


def main(stop: Stop) -> None:
    """Follow the log until asked to stop."""
    settings = configuration.load()
    configure(_NAME, settings.log_level)
    writer = Writer(settings, codec(settings))
    with closing(Health(settings.http_host, settings.http_port, writer.ready)) as health:
        get_logger().info("listening", host=settings.http_host, port=health.port)
        writer.run(stop)


if __name__ == "__main__":
    run(main, _NAME)
