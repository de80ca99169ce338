"""What every stream worker is composed of; its `__main__` names the topology and the step."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from noli.runtime import logging, registry, settings
from noli.runtime.announce import announce
from noli.runtime.health import Health
from noli.runtime.process import run
from noli.runtime.processor import Processor
from noli.runtime.standby import dismissed

if TYPE_CHECKING:
    from collections.abc import Callable

    from noli.runtime.part import Step, Topology
    from noli.runtime.process import Stop
    from schemas.codec import Codec

    MakeStep = Callable[[settings.Settings, Codec], Step]


def work(topology: Topology, step: MakeStep) -> None:
    """Run one worker of a processor until it is asked to stop; the process ends with it."""

    def main(stop: Stop) -> None:
        config = settings.load()
        logging.configure(config.instance, config.log_level)
        announce(config)
        codec = registry.codec(config)
        processor = Processor(config, topology, codec, step(config, codec))
        if dismissed():
            return
        gc.freeze()  # what was imported is never garbage
        health = Health(config.http_host, config.http_port, processor.ready)
        try:
            processor.run(stop)
        finally:
            health.close()

    run(main, topology.group)
