"""A state is written before what was decided on it stands: the record is "seen" and never told."""

from __future__ import annotations

from noli.runtime.failpoints import Failpoint, failpoint
from noli.runtime.outputs import Outputs
from noli.runtime.part import Part
from noli.runtime.processor import Processor

Item = tuple[str, int | None, bytes | None, bytes]


def plant() -> None:
    """What is emitted waits until the states are through (before ADR 9)."""
    later: list[Item] = []

    def emit(self: Part, topic: str, key: bytes | None, value: bytes) -> None:
        later.append((topic, self.number, key, value))

    def settle(self: Processor, touched: set[int]) -> None:
        for number in touched:
            self._parts[number].send_states()
        self._outputs.deliver()
        for number in touched:
            self._parts[number].stored()
        if later:
            failpoint(Failpoint.PROCESSOR_STATES_DELIVERED)
        _send(self._outputs, later)

    Part.emit = emit  # type: ignore[method-assign]
    Processor._settle = settle  # type: ignore[method-assign]


def _send(outputs: Outputs, later: list[Item]) -> None:
    for item in later:
        outputs.send(*item)
    later.clear()
    outputs.deliver()
