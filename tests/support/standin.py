"""A worker that does nothing but live: `python -m tests.support.standin`, for tests of the stack.

`STANDIN`: `ready` (default), `unready` (lives, never ready) or `dies` (ends at once, exit code 1).
"""

from __future__ import annotations

import os
import sys

from noli.runtime import process, settings
from noli.runtime.health import Health


def main(stop: process.Stop) -> None:
    """Serve /readyz until asked to stop."""
    manner = os.environ.get("STANDIN", "ready")
    if manner == "dies":
        sys.exit("standin: cannot reach the moon")
    mine = settings.load()
    health = Health(
        mine.http_host, mine.http_port, lambda: (manner == "ready", {"stand_in": mine.instance})
    )
    stop.wait()
    health.close()


if __name__ == "__main__":
    process.run(main, "standin")
