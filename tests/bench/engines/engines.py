"""The rows of the table: each engine, on which fold, how it is started."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from schemas.codec import Codec
from tests.bench.engines import environments
from tests.bench.engines.load import RAW_SIZE, STAMP
from tests.bench.engines.running import Engine

PARTITIONS: Final = 8
FOLD: Final = "the real fold"
STUB: Final = "the stub fold: get, put, forward"
FOLD_INPUT: Final = "bench.intents"
STUB_INPUT: Final = "bench.raw"
#: Outputs waited for; engines that are slow are measured on fewer.
EVENTS: Final = 200_000
QUIX_EVENTS: Final = 60_000
FAUST_EVENTS: Final = 15_000

OURS: Final = "ours: streams.suppress"
OURS_STUB: Final = "ours, raw bytes"
OURS_DECODE: Final = "ours, each record Avro-decoded first"
QUIX: Final = "Quix Streams 3.28.1, stateful apply + to_topic"
FAUST: Final = "Faust 0.15.3, table + changelog + output, as its guide shows"
KSTREAMS: Final = "Kafka Streams 4.3.1 (JVM), 1 thread"
KSTREAMS_TWO: Final = "Kafka Streams 4.3.1 (JVM), 2 threads"
KSTREAMS_EOS: Final = "Kafka Streams 4.3.1 (JVM), 1 thread, exactly_once_v2"
#: Rows whose throughput alone is measured.
VARIANTS: Final = {OURS_DECODE, KSTREAMS_TWO, KSTREAMS_EOS}


def all_engines(codec: Codec, ids: Mapping[str, int], run: str, preloaded: int) -> Iterator[Engine]:
    """Every row, with topics and a group of its own for this `run`."""

    def made(label: str, argv: list[str], group: str, events: int, **env: str) -> Engine:
        app = f"{run}-{re.sub(r'[^a-z0-9]+', '-', label.lower())[:40]}"
        real = group == FOLD
        common = {
            "BENCH_APP": app,
            "BENCH_STATE": f"{app}.state",
            "BENCH_IDS": json.dumps(dict(ids)),
            "BENCH_PARTITIONS": str(PARTITIONS),
            "PYTHONPATH": str(environments.ROOT),
        }
        return Engine(
            name=label,
            group=group,
            argv=argv,
            input=FOLD_INPUT if real or "BENCH_DECODE" in env else STUB_INPUT,
            output=f"{app}.out",
            events=min(events, preloaded),
            born=(lambda value: int(codec.decode(value)[1]["accepted"])) if real else born_of_stub,
            env={**common, "NOLI_INSTANCE": app, **env},
            metrics="peers.ours" in argv[-1],
            whole=label not in VARIANTS,
        )

    def module(name: str, interpreter: str = sys.executable) -> list[str]:
        return [interpreter, "-P", "-m", f"tests.bench.engines.peers.{name}"]

    yield made(OURS, module("ours"), FOLD, EVENTS)
    yield made(QUIX, module("quix", environments.python("quix")), FOLD, QUIX_EVENTS)
    faust = module("faust_guide", environments.python("faust"))
    faust += ["worker", "--without-web", "-l", "info"]  # its web page has one port for all
    yield made(FAUST, faust, FOLD, FAUST_EVENTS)
    yield made(OURS_STUB, module("ours_stub"), STUB, EVENTS)
    yield made(OURS_DECODE, module("ours_stub"), STUB, EVENTS, BENCH_DECODE="1")
    java = environments.kstreams()
    for label, threads, guarantee in (
        (KSTREAMS, "1", "at_least_once"),
        (KSTREAMS_TWO, "2", "at_least_once"),
        (KSTREAMS_EOS, "1", "exactly_once_v2"),
    ):
        yield made(label, java, STUB, EVENTS, BENCH_THREADS=threads, BENCH_GUARANTEE=guarantee)


def born_of_stub(value: bytes) -> int:
    """The stamp in the raw record, with which every stub's output ends."""
    return int(STAMP.unpack_from(value, len(value) - RAW_SIZE)[0])
