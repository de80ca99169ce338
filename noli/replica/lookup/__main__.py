"""`python -m noli.replica.lookup`: this host's copy, asked over HTTP."""

from __future__ import annotations

from noli.replica.gate import Gate
from noli.replica.lookup.service import application
from noli.runtime import httpserver, logging, settings
from noli.runtime.apikeys import Keyring
from noli.runtime.pepper import pepper
from noli.runtime.process import Stop, run


def main(_stop: Stop) -> None:
    """Compose and serve."""
    config = settings.load()
    logging.configure(config.instance, config.log_level)
    keyring = Keyring(config.api_keys_file)
    lease_s = config.lease_seconds
    listener = httpserver.bind(config.http_host, config.http_port)
    with Gate.open(config.replica, pepper=pepper(config), lease_seconds=lease_s) as gate:
        httpserver.run(httpserver.serve(application(gate, keyring, lease_s), listener))


if __name__ == "__main__":
    run(main, "noli.replica.lookup")
