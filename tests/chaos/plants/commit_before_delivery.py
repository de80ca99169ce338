"""The offsets of a batch are committed before it is even decided."""

from __future__ import annotations

from confluent_kafka import Message

from noli.runtime.processor import Processor


def plant() -> None:
    """Commit first, work then."""
    whole = Processor._batch

    def hasty(self: Processor, messages: list[Message]) -> None:
        for message in messages:
            place = message.topic() or "", message.partition() or 0
            self._lanes.position[place] = (message.offset() or 0) + 1
        self._lanes.commit(wait=True)
        whole(self, messages)

    Processor._batch = hasty  # type: ignore[method-assign]
