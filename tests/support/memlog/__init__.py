"""An in-memory Kafka behind the surface that ours use of confluent_kafka; one seed repeats a run.

    log = Log(seed)
    log.create("noli.objections", 2)
    with installed(log):                       # every client of ours, and the clock
        processor = Processor(Settings(kafka=log.address, …), …)

It is held to what the real broker does by `tests.support.logcontract`, run against both. Faults:
`log.cut` (a client the brokers do not hear), `log.paused` (SIGSTOP: no heartbeat), `log.unheard`
(appended or not, nobody says), `log.sloth` (fetches that have not come yet), `log.refusing` (what
every commit is answered), `log.kill` (and what it had sent lands late: `log.land`), `log.compact`,
`log.lose_tail`, `log.interrupt` (called at every point at which a process may die or be overtaken).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final
from unittest.mock import patch

import confluent_kafka
import confluent_kafka.admin

from tests.support.memlog.admin import AdminClient
from tests.support.memlog.clock import Clock
from tests.support.memlog.consumer import Consumer
from tests.support.memlog.log import Entry, Late, Log
from tests.support.memlog.messages import Message
from tests.support.memlog.producer import Producer

__all__ = [
    "AdminClient",
    "Clock",
    "Consumer",
    "Entry",
    "Late",
    "Log",
    "Message",
    "Producer",
    "installed",
]

#: What stands in for what.
_DOUBLES: Final[Mapping[object, object]] = {
    confluent_kafka.Consumer: Consumer,
    confluent_kafka.Producer: Producer,
    confluent_kafka.admin.AdminClient: AdminClient,
}
_OURS: Final = ("noli.", "streams.", "connectors.")


@contextmanager
def installed(log: Log) -> Iterator[None]:
    """Every client made meanwhile by a module that is loaded is of memory; so are the clocks."""
    with ExitStack() as stack:
        stack.enter_context(patch("noli.runtime.clock.time", log.clock))
        for name, module in list(sys.modules.items()):
            if name.startswith(_OURS):
                for attribute, value in list(vars(module).items()):
                    if isinstance(value, type) and value in _DOUBLES:
                        double = patch.object(module, attribute, _DOUBLES[value])
                        stack.enter_context(double)
        yield
