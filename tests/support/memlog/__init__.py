"""An in-memory Kafka behind the surface that ours use of confluent_kafka; one seed repeats a run.

    log = Log(seed)
    log.create("noli.objections", 2)
    with installed(log):                       # every client of ours, and the clock
        processor = Processor(Settings(kafka=log.address, …), …)

It is held to what the real broker does by `tests.support.logcontract`, run against both. Faults:
`log.cut` (a client the brokers do not hear), `log.paused` (SIGSTOP: no heartbeat), `log.unheard`
(appended, and the acknowledgement lost), `log.sloth` (fetches that have not come yet), `log.kill`
(and what it had sent lands late: `log.land`), `log.compact`, `log.lose_tail`, `log.interrupt`
(called at every point at which a process may die or be overtaken).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final
from unittest.mock import patch

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

_CLIENTS: Final = {"Consumer": Consumer, "Producer": Producer, "AdminClient": AdminClient}
#: Modules of ours that make a client.
_MODULES: Final = (
    "noli.runtime.kafka",
    "noli.runtime.lanes",
    "noli.runtime.outputs",
    "noli.runtime.repair",
    "noli.runtime.restore",
    "noli.runtime.tail",
    "noli.replica.follow",
)


@contextmanager
def installed(log: Log) -> Iterator[None]:
    """Every client made meanwhile is of this log, and every clock is its own."""
    with ExitStack() as stack:
        stack.enter_context(patch("noli.runtime.clock.time", log.clock))
        for name in _MODULES:
            module = importlib.import_module(name)
            for client, double in _CLIENTS.items():
                if hasattr(module, client):
                    stack.enter_context(patch.object(module, client, double))
        yield
