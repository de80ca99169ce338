"""Kafka and the registry for one block of code: tests, benches, the demo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from noli.cli.stack import kafka, ports, registry
from noli.cli.stack.jars import Jars, fetch
from noli.cli.stack.java import Java, find_java
from noli.cli.stack.program import Program, Running, launch


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running pair. `kafka`: `host:port`; `registry`: base URL of the Confluent API."""

    kafka: str
    registry: str
    kafka_process: Running
    registry_process: Running


@contextmanager
def embedded(data: Path, say: Callable[[str], None]) -> Iterator[Embedded]:
    """Start both in parallel with their state under `data`, stop both by pid at the end.

    Call it from the main thread: the pair is told to stop when that thread's process dies.
    """
    java, jars = find_java(), fetch(say)
    port = ports.choose(("kafka", "controller", "registry", "management"))
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        store = registry.prepare(
            data / "registry",
            (port["registry"], port["management"]),
            jars,
            java,
            data / "logs" / "registry.log",
        )
        store_process = _started(store.program, stack, registry.STOP_SECONDS)
        store_ready = pool.submit(registry.wait_ready, store, store_process)
        node = _prepared_kafka(data, (port["kafka"], port["controller"]), jars, java)
        node_process = _started(node.program, stack, kafka.STOP_SECONDS)
        node_ready = pool.submit(kafka.wait_ready, node, node_process)
        _both(node_ready, store_ready)
        yield Embedded(node.bootstrap, store.url, node_process, store_process)


def _prepared_kafka(data: Path, pair: tuple[int, int], jars: Jars, java: Java) -> kafka.Kafka:
    return kafka.prepare(data / "kafka", pair, jars, java, data / "logs" / "kafka.log")


def _started(program: Program, stack: ExitStack, grace_seconds: float) -> Running:
    running = launch(program, with_parent=True)
    stack.callback(running.stop, grace_seconds)
    return running


def _both(*waits: Future[None]) -> None:
    for wait in waits:
        wait.result()
