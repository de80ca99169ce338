"""Quix Streams with the real fold: stateful apply, to_topic; its defaults, at least once."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from quixstreams import Application, State
from quixstreams.state.recovery import RecoveryManager

from tests.bench.engines.peers.fold import RealFold


def main() -> None:
    """Run until SIGTERM."""
    app = Application(
        broker_address=os.environ["BENCH_KAFKA"],
        consumer_group=os.environ["BENCH_APP"],
        state_dir=Path(os.environ["BENCH_DATA"]),
        auto_offset_reset="earliest",
        loglevel="INFO",
    )
    source = app.topic(
        os.environ["BENCH_INPUT"],
        key_deserializer="bytes",
        value_deserializer="bytes",
    )
    sink = app.topic(
        os.environ["BENCH_OUTPUT"],
        key_serializer="bytes",
        value_serializer="bytes",
    )
    fold = RealFold()

    def step(intent: bytes, key: bytes, _at: int, _headers: object, state: State) -> bytes | None:
        folded = fold.step(key, state.get_bytes("state"), intent)
        if folded is None:
            return None
        state.set_bytes("state", folded.state)
        return folded.decision

    frame = app.dataframe(source).apply(step, stateful=True, metadata=True)
    frame.filter(lambda decision: decision is not None).to_topic(sink)
    tell_restores()
    app.run()


def tell_restores() -> None:
    """Print `restored RECORDS SECONDS` after a recovery, for the harness."""
    recover = RecoveryManager.do_recovery

    def timed(manager: RecoveryManager) -> None:
        parts = [part for stores in manager.partitions.values() for part in stores.values()]
        before = sum(max(0, part.offset) for part in parts)
        started = time.monotonic()
        recover(manager)
        done = sum(part.offset for part in parts) - before
        sys.stdout.write(f"restored {done} {time.monotonic() - started:.3f}\n")
        sys.stdout.flush()

    RecoveryManager.do_recovery = timed


if __name__ == "__main__":
    main()
