"""Stops processes of a stack by their recorded pids, whoever started them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from noli.cli.stack import endpoints, kafka, records

#: The supervisor stops workers (5 s), then Kafka and the registry (15 s) at the most.
_SUPERVISOR_SECONDS: Final = 30.0
_KILL_SECONDS: Final = 5.0


def stop_stack(data: Path) -> list[str]:
    """Stop what is recorded in `data`; the names of what was still running."""
    found = records.living(data)
    supervisor = found.pop(records.SUPERVISOR, None)
    if supervisor is not None:
        # It stops the others in order. If it is gone or stuck, that is done below.
        _stop([supervisor], _SUPERVISOR_SECONDS)
    names = [*found, *([records.SUPERVISOR] if supervisor else [])]
    rest = records.living(data)  # a worker may have been started again meanwhile
    _stop([one for name, one in rest.items() if name not in records.GROUND], kafka.STOP_SECONDS)
    _stop([one for name, one in rest.items() if name in records.GROUND], kafka.STOP_SECONDS)
    records.forget(data)
    endpoints.forget(data)
    return names


def _stop(processes: list[psutil.Process], grace_seconds: float) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
            process.resume()  # a paused process cannot obey
    _gone, stubborn = psutil.wait_procs(processes, timeout=grace_seconds)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=_KILL_SECONDS)
