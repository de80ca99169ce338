"""Kafka and the registry for one block of code: tests, benches, the demo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from noli.cli.stack import kafka, ports, registry
from noli.cli.stack.jars import fetch
from noli.cli.stack.java import find_java
from noli.cli.stack.program import Program, Running, launch


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running pair. `kafka`: `host:port`; `registry`: base URL of the Confluent API."""

    kafka: str
    registry: str
    kafka_process: Running
    registry_process: Running


@contextmanager
def embedded(data: Path, say: Callable[[str], None], *, quick: bool = False) -> Iterator[Embedded]:
    """Start both in parallel with their state under `data`, stop both by pid at the end.

    `quick`: a broker that starts with half the work and is slower later; not for measurements.
    Call it from the main thread: the pair is told to stop when that thread's process dies.
    """
    java, jars = find_java(), fetch(say)
    port = ports.choose(("kafka", "controller", "registry", "management"))
    logs = data / "logs"
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        pair = port["registry"], port["management"]
        store = registry.prepare(data / "registry", pair, jars, java, logs / "registry.log")
        store_process = _started(store.program, stack, registry.STOP_SECONDS)
        store_ready = pool.submit(registry.wait_ready, store, store_process)
        pair = port["kafka"], port["controller"]
        jvm = (kafka.QUICK,) if quick else ()
        node = kafka.prepare(data / "kafka", pair, jars, java, logs / "kafka.log", jvm)
        node_process = _started(node.program, stack, kafka.STOP_SECONDS)
        node_ready = pool.submit(kafka.wait_ready, node, node_process)
        for wait in (node_ready, store_ready):
            wait.result()
        yield Embedded(node.bootstrap, store.url, node_process, store_process)


def _started(program: Program, stack: ExitStack, grace_seconds: float) -> Running:
    running = launch(program, with_parent=True)
    stack.callback(running.stop, grace_seconds)
    return running
