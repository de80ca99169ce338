"""`python -m noli.intake`: the HTTP write side."""

from __future__ import annotations

import asyncio
import gc
from typing import Final

from noli.intake import apps
from noli.intake.accept import Intake
from noli.intake.links import Links
from noli.intake.logtime import Listening, LogTime
from noli.intake.recent import Recent
from noli.intake.roster import LoggedRoster
from noli.intake.routing import Router, partitions
from noli.intake.service import Parts, Reach, application
from noli.runtime import httpserver, logging, registry, settings
from noli.runtime.announce import announce
from noli.runtime.apikeys import Keyring
from noli.runtime.apps import Desk
from noli.runtime.kafka import Acked
from noli.runtime.pepper import pepper
from noli.runtime.process import Stop, run
from schemas.codec import Codec
from schemas.names import APPS, CONTROL, PARTIES

#: A post is answered 503 when the brokers have not confirmed it by then, in ms.
_DELIVERY_TIMEOUT_MS: Final = 5_000

#: Objects made before the collector looks at them, and its older generations. At Python's 700 it
#: walks the remembered answers all the time: measured 8 to 12 % of a batch.
_COLLECTOR: Final = (20_000, 20, 50)


async def serve(config: settings.Settings, codec: Codec, keyring: Keyring, stop: Stop) -> None:
    """Take events until SIGTERM or SIGINT."""
    secret = pepper(config)
    router = Router(secret, partitions(CONTROL), partitions(PARTIES))
    listener = httpserver.bind(config.http_host, config.http_port)
    acked = Acked(config, delivery_timeout_ms=_DELIVERY_TIMEOUT_MS)
    time = LogTime()
    intake = Intake(acked, codec, router, Recent(config.intake_recent), time.now)
    reach = Reach(Listening(config, time))
    gc.freeze()  # what was made so far stays
    gc.set_threshold(*_COLLECTOR)
    parts = Parts(intake, keyring, Links([secret]), config.intake_events_per_s, time.now)
    office = apps.Office(LoggedRoster(config, codec), Desk(acked, codec, APPS), keyring, reach)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reach.watch())
        await httpserver.serve(application(parts, reach, apps.routes(office)), listener, stop)
        reach.stop()
    if not intake.abandoned:
        await acked.close()  # else it would wait out the delivery timeout for nobody


def main(stop: Stop) -> None:
    """Compose and serve."""
    config = settings.load()
    logging.configure(config.instance, config.log_level)
    announce(config)
    codec = registry.codec(config)
    httpserver.run(serve(config, codec, Keyring(config.api_keys_file), stop))


if __name__ == "__main__":
    run(main, "noli.intake")
