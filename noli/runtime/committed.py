"""What was committed already, so that only what moved is; and everything again once a day.

A broker forgets offsets of topics that no member of the group subscribes to, some time after the
last commit (Kafka's `offsets.retention.minutes`, seven days), and the following lanes are such
topics: a quiet one would be read from its beginning at the next takeover.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from noli.runtime.clock import steady

#: Between two commits of what did not move, in seconds.
AGAIN_S: Final = 86_400.0

Place = tuple[str, int]
#: Offset and what is to be remembered with it.
Said = tuple[int, str]


class Committed:
    """By topic and partition. `clock`: seconds that never step back."""

    def __init__(self, clock: Callable[[], float] = steady) -> None:
        self._clock = clock
        self._said: dict[Place, Said] = {}
        self._again_at = clock() + AGAIN_S

    def moved(self, wanted: Mapping[Place, Said]) -> dict[Place, Said]:
        """What of `wanted` is to be committed now."""
        now = self._clock()
        if now >= self._again_at:
            self.forget_all()
            self._again_at = now + AGAIN_S
        return {place: said for place, said in wanted.items() if self._said.get(place) != said}

    def asked(self, moved: Mapping[Place, Said]) -> None:
        """This was handed to the broker; what it refuses is to be forgotten."""
        self._said.update(moved)

    def forget(self, place: Place) -> None:
        """Somebody else commits there now."""
        self._said.pop(place, None)

    def forget_all(self) -> None:
        """Commit everything again with the next progress."""
        self._said.clear()
