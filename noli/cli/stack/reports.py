"""What a detached supervisor tells the command that started it: JSON lines over a pipe."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from noli.cli.problem import ProblemError
from noli.cli.stack.unit import State, Unit

#: Environment variable that names the pipe's descriptor.
VARIABLE: Final = "NOLI_STACK_REPORT_FD"
_CHUNK: Final = 65_536


@dataclass(frozen=True, slots=True)
class UnitReport:
    """A process changed. `seconds`: of its life so far."""

    name: str
    state: State
    detail: str
    restarts: int
    was_ready: bool
    seconds: float


class Writer:
    """The supervisor's end. When nobody listens any more it falls silent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def unit(self, unit: Unit) -> None:
        """Tell a change."""
        self._send({"unit": asdict(reported(unit))})

    def say(self, text: str) -> None:
        """Tell a line of text."""
        self._send({"text": text})

    def ready(self) -> None:
        """Tell that every process is ready."""
        self._send({"ready": True})

    def failed(self, problem: ProblemError) -> None:
        """Tell why it ends."""
        self._send({"failed": [problem.fact, problem.remedy, problem.detail]})

    def _send(self, message: dict[str, Any]) -> None:
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            os.close(self._descriptor)
            self._descriptor = None


def reported(unit: Unit) -> UnitReport:
    """A unit as it is now."""
    seconds = time.monotonic() - unit.since
    return UnitReport(
        unit.name, unit.state, unit.detail, unit.restarts, unit.was_ready, round(seconds, 1)
    )


def read(descriptor: int, seconds: float) -> Iterator[UnitReport | str | None]:
    """The reports as they come: a change, a text, None once all is ready.

    Ends when the supervisor closed the pipe or after `seconds`. Raises the `ProblemError` that
    ended the supervisor.
    """
    end = time.monotonic() + seconds
    buffer = b""
    while (left := end - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], left)[0]:
            return
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            return
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            yield _parsed(json.loads(line))


def _parsed(message: dict[str, Any]) -> UnitReport | str | None:
    if "failed" in message:
        raise ProblemError(*message["failed"])
    if "unit" in message:
        fields = message["unit"]
        return UnitReport(**{**fields, "state": State(fields["state"])})
    return str(message["text"]) if "text" in message else None
