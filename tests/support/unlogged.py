"""`python -m tests.support.unlogged`: the intake over a log that forgets, to see what one costs.

The same process otherwise, so that the difference to `noli.intake` is Kafka's share.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from noli.intake.accept import Intake
from noli.intake.links import Links
from noli.intake.recent import Recent
from noli.intake.routing import Router
from noli.intake.service import Parts, application
from noli.runtime import httpserver, logging, settings
from noli.runtime.apikeys import Keyring
from noli.runtime.kafka import Outgoing, Placed
from noli.runtime.pepper import pepper
from noli.runtime.process import Stop, run
from tests.support.intake import codec


class Forgetful:
    """Places every record at the next offset and keeps none."""

    def __init__(self) -> None:
        self._offsets = itertools.count()

    async def send_many(self, records: Sequence[Outgoing]) -> list[Placed]:
        """At once."""
        return [Placed(record.topic, 0, next(self._offsets), 0) for record in records]


async def serve(config: settings.Settings) -> None:
    """As the intake's own composition root, but for the log."""
    secret = pepper(config)
    intake = Intake(Forgetful(), codec(), Router(secret, 8, 8), Recent(config.intake_recent))
    keyring = Keyring(config.api_keys_file)
    parts = Parts(intake, keyring, Links([secret]), config.intake_events_per_s)
    listener = httpserver.bind(config.http_host, config.http_port)
    await httpserver.serve(application(parts, lambda: (True, {})), listener)


def main(_stop: Stop) -> None:
    """Compose and serve."""
    config = settings.load()
    logging.configure(config.instance, config.log_level)
    httpserver.run(serve(config))


if __name__ == "__main__":
    run(main, "unlogged")
