"""Our loop with the stub fold of the Kafka Streams peer: get, put, forward.

With `BENCH_DECODE=1` each record is Avro-decoded first, as the row of the blueprint's table was.
"""

from __future__ import annotations

import json
import os
from typing import Final

from noli.runtime import logging, settings
from noli.runtime.health import Health
from noli.runtime.part import Part, Record, Topology
from noli.runtime.process import Stop, run
from noli.runtime.processor import Processor
from schemas.codec import HEADER, Codec, pack_lead

#: State begins as a state record of ours must, with its lead and no labels; then, as in the peer,
#: the count and the record.
_COUNT: Final = 8
_NO_LABELS: Final = b"\0"


class Stub:
    """State = count of the key's records + its last record; the state goes out."""

    def __init__(self, codec: Codec | None) -> None:
        self._codec = codec
        self._heads: dict[int, bytes] = {}

    def process(self, record: Record, part: Part) -> None:
        """Count one record."""
        assert record.key is not None
        assert record.value is not None
        if self._codec is not None:
            self._codec.decode(record.value)
        head = self._heads.get(part.epoch) or self._head(part.epoch)
        old = part.load(record.key)
        count = 1 if old is None else 1 + int.from_bytes(old[len(head) :][:_COUNT], "big")
        following = head + count.to_bytes(_COUNT, "big") + record.value
        part.save(record.key, following)
        part.emit(part.topology.decisions, record.key, following)

    def opened(self, part: Part) -> None:
        """Nothing is known of a whole partition."""

    def restate(self, key: bytes, part: Part) -> None:
        """One worker: nobody writes over it."""
        raise RuntimeError(f"a foreign record in partition {part.number}: {key!r}")

    def rederive(self, key: bytes, part: Part) -> None:
        """Nothing of a stub's is due by itself."""
        raise RuntimeError(f"partition {part.number}: {key!r} was due")

    def swept(self, label: bytes, part: Part) -> None:
        """No labels."""
        raise RuntimeError(f"partition {part.number}: {label!r} was swept")

    def _head(self, epoch: int) -> bytes:
        self._heads[epoch] = HEADER.pack(0, 0) + pack_lead(epoch, 0) + _NO_LABELS
        return self._heads[epoch]


def main(stop: Stop) -> None:
    """Run the loop until it is asked to stop."""
    config = settings.load()
    logging.configure(config.instance, config.log_level)
    codec = Codec(json.loads(os.environ["BENCH_IDS"]))
    topology = Topology(
        group=os.environ["BENCH_APP"],
        lanes=(os.environ["BENCH_INPUT"],),
        state=os.environ["BENCH_STATE"],
        decisions=os.environ["BENCH_OUTPUT"],
    )
    step = Stub(codec if os.environ.get("BENCH_DECODE") else None)
    processor = Processor(config, topology, codec, step)
    health = Health(config.http_host, config.http_port, processor.ready)
    try:
        processor.run(stop)
    finally:
        health.close()


if __name__ == "__main__":
    run(main, "bench.stub")
