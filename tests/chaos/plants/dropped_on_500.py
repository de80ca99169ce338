"""A change that the application answers with an error is given up, as any well-behaved hook is."""

from __future__ import annotations

from connectors.protocol import Retry
from connectors.runner import Runner
from connectors.waiting import Entry


def plant() -> None:
    """No second try."""

    def put_back(self: Runner, entries: list[Entry], retry: Retry, began: float) -> None:
        for entry in entries:
            self._waiting.done(entry)
            self._tracks[entry.change.partition].frontier.settle(entry.offsets())

    Runner._put_back = put_back  # type: ignore[method-assign]
