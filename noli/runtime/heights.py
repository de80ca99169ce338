"""Whether a group's committed offsets moved back: somebody reset them, or the log lost them.

The highest commits are kept in a small file, because an offset is moved while its group is down. A
lost or older file means only that a rewind is not noticed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from noli.runtime.clock import steady
from noli.runtime.logging import get_logger
from noli.runtime.metrics import clients

#: Seconds between two writes of the file.
_KEEP_EVERY_S: Final = 10.0

Place = tuple[str, int]


class Heights:
    """The highest offset this process committed, by topic and partition. For one thread."""

    def __init__(self, folder: Path, group: str) -> None:
        self._path = folder / f"heights-{group}.json"
        self._group = group
        self._highest = _read(self._path)
        self._keep_at = 0.0
        clients.REWINDS.labels(group)

    def found(self, place: Place, committed: int | None, known: int = 0) -> None:
        """What the broker says is committed; None: nothing. Alarms where that is a step back.

        `known`: where it stood before, whatever the file says.
        """
        before = max(known, self._highest.get(place, 0))
        now = committed or 0
        if now < before:
            clients.REWINDS.labels(self._group).inc()
            topic, partition = place
            get_logger().error(
                "group.rewound",
                group=self._group,
                topic=topic,
                partition=partition,
                before=before,
                now=now,
            )
        self._highest[place] = now

    def committed(self, offsets: Mapping[Place, int]) -> None:
        """These were committed."""
        self._highest.update(offsets)
        if steady() >= self._keep_at:
            self.keep()

    def keep(self) -> None:
        """Write them down."""
        self._keep_at = steady() + _KEEP_EVERY_S
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._path.with_suffix(f".{os.getpid()}")
        flat = [[topic, partition, at] for (topic, partition), at in self._highest.items()]
        fresh.write_text(json.dumps(flat), "utf-8")
        fresh.replace(self._path)


def _read(path: Path) -> dict[Place, int]:
    try:
        found = json.loads(path.read_text("utf-8"))
        return {(str(topic), int(partition)): int(at) for topic, partition, at in found}
    except (FileNotFoundError, ValueError, TypeError):
        return {}  # nothing to compare with: the next commits are
