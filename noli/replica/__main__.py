"""`python -m noli.replica`: the writer of this host's copy of noli.decisions."""

from __future__ import annotations

import gc
from contextlib import closing

from noli.replica.writer import Writer
from noli.runtime import settings as configuration
from noli.runtime.announce import announce
from noli.runtime.health import Health
from noli.runtime.logging import configure, get_logger
from noli.runtime.process import Stop, run
from noli.runtime.registry import codec

_NAME = "replica"

#: Allocations between two looks for garbage: a batch is tens of thousands of tuples, none of them
#: in a cycle, and the default of 700 takes a tenth of a build.
_GC_EVERY = 200_000


def main(stop: Stop) -> None:
    """Follow the log until asked to stop."""
    gc.set_threshold(_GC_EVERY)
    settings = configuration.load()
    configure(_NAME, settings.log_level)
    announce(settings)
    writer = Writer(settings, codec(settings))
    with closing(Health(settings.http_host, settings.http_port, writer.ready)) as health:
        get_logger().info("listening", host=settings.http_host, port=health.port)
        writer.run(stop)


if __name__ == "__main__":
    run(main, _NAME)
