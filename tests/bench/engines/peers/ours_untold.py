"""The same worker that tells nothing: no metric, no statistics of its clients, no beacon.

For the price of telling only: without beacons every reader's lease runs out.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from noli.runtime import beacons, clientstats
from tests.bench.engines.peers import ours


def nothing(*_: object, **__: object) -> None:
    """In place of telling."""


def unobserved(_kind: str) -> dict[str, object]:
    """In place of the properties by which a client tells its statistics."""
    return {}


def main() -> None:
    """Silence everything, then run the worker."""
    for kind, verb in ((Counter, "inc"), (Gauge, "set"), (Gauge, "inc"), (Histogram, "observe")):
        setattr(kind, verb, nothing)
    vars(clientstats)["observed"] = unobserved  # before noli.runtime.kafka takes it
    setattr(beacons.Beacons, "tick", nothing)  # noqa: B010 - a method is replaced, not assigned
    ours.main()


if __name__ == "__main__":
    main()
