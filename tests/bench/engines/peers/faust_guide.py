"""Faust with the real fold, as its guide shows: a table, its changelog, one output, awaited sends.

RocksDB below the table; keys and values raw bytes; every setting that is not needed for that is
Faust's own.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import faust

from tests.bench.engines.peers.fold import RealFold


def build() -> faust.App:
    """The application."""
    app = faust.App(
        os.environ["BENCH_APP"],
        broker=f"kafka://{os.environ['BENCH_KAFKA']}",
        store="rocksdb://?driver=rocksdict",
        datadir=Path(os.environ["BENCH_DATA"]),
        topic_partitions=int(os.environ["BENCH_PARTITIONS"]),
        topic_disable_leader=True,
        web_enabled=False,
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
    )
    source = app.topic(os.environ["BENCH_INPUT"], key_type=bytes, value_type=bytes)
    sink = app.topic(os.environ["BENCH_OUTPUT"], key_type=bytes, value_type=bytes)
    table: Any = app.Table("state", key_type=bytes, value_type=bytes, on_recover=recovered(app))
    fold = RealFold()

    @app.agent(source)
    async def suppress(stream: Any) -> None:  # noqa: ANN401 - faust.Stream
        async for key, intent in stream.items():
            folded = fold.step(key, table.get(key), intent)
            if folded is not None:
                table[key] = folded.state
                await sink.send(key=key, value=folded.decision)

    return app


def recovered(app: Any) -> Any:  # noqa: ANN401 - Faust's own types lack what is asked here
    """Tell the harness `restored RECORDS SECONDS`: from the assignment to the end of recovery."""
    started: list[float] = []

    async def assigned(*_: object, **__: object) -> None:
        started.append(time.monotonic())

    app.on_partitions_assigned.connect(assigned)

    async def tell() -> None:
        done = sum(max(0, offset + 1) for offset in app.tables.recovery.active_offsets.values())
        sys.stdout.write(f"restored {done} {time.monotonic() - started[-1]:.3f}\n")
        sys.stdout.flush()

    return tell


if __name__ == "__main__":
    build().main()
