"""`python -m noli.replica.lookup`: this host's copy, asked over HTTP."""

from __future__ import annotations

import gc
from functools import cache, partial
from typing import Final

from noli.replica.changes.feed import Feeds
from noli.replica.gate import Gate
from noli.replica.lookup.past import Board
from noli.replica.lookup.scrubbing import Room
from noli.replica.lookup.service import Parts, application
from noli.replica.scrub.work import Copy
from noli.runtime import httpserver, logging, registry, settings
from noli.runtime.announce import announce
from noli.runtime.apikeys import Keyring
from noli.runtime.pepper import pepper
from noli.runtime.process import Stop, run

#: Objects made before the collector looks at them, and its older generations.
_COLLECTOR: Final = (20_000, 20, 50)


def main(_stop: Stop) -> None:
    """Compose and serve."""
    config = settings.load()
    logging.configure(config.instance, config.log_level)
    announce(config)
    secret = pepper(config)
    listener = httpserver.bind(config.http_host, config.http_port)
    with Gate.open(config.replica, pepper=secret, lease_seconds=config.lease_seconds) as gate:
        parts = Parts(
            gate,
            Keyring(config.api_keys_file),
            Feeds(config, cache(partial(registry.codec, config))),
            Room(
                Copy(config.replica, secret, config.lease_seconds),
                config.data,
                config.scrub_bytes_max,
            ),
            config.lease_seconds,
            config.lookup_questions_per_s,
            Board(config.board_url) if config.board_url else None,
        )
        served = application(parts)
        gc.freeze()  # what was made so far stays; to look at it all is felt in the slowest answers
        gc.set_threshold(*_COLLECTOR)
        httpserver.run(httpserver.serve(served, listener))


if __name__ == "__main__":
    run(main, "noli.replica.lookup")
