"""`python -m streams.suppress`: one worker of the suppress processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noli.domain.policy import Policy
from noli.runtime import logging, registry, settings
from noli.runtime.health import Health
from noli.runtime.process import run
from noli.runtime.processor import Processor
from streams.suppress.step import Suppress
from streams.topology import SUPPRESS

if TYPE_CHECKING:
    from noli.runtime.process import Stop


def main(stop: Stop) -> None:
    """Compose and run the worker until it is asked to stop."""
    config = settings.load()
    logging.configure(config.instance, config.log_level)
    codec = registry.codec(config)
    processor = Processor(config, SUPPRESS, codec, Suppress(codec, Policy()))
    health = Health(config.http_host, config.http_port, processor.ready)
    try:
        processor.run(stop)
    finally:
        health.close()


if __name__ == "__main__":
    run(main, "streams.suppress")
