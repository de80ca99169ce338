"""What lanes held when their partition was taken over, and whether all of it was processed since.

Known from the fetches themselves, without asking anybody: the first record of a place that comes
says where its log ended then, which is not before it ended at the takeover; and where there is no
record left, the broker's word that the partition ends here says so. Until either came, nothing is
known of the place, and what waits for it waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Place = tuple[str, int]


@dataclass(slots=True)
class _Wait:
    """`goal`: the position to come to, None while nobody has said. `handed`: what was read."""

    goal: int | None = None
    handed: int = 0


class Backlog:
    """By place; one that was caught up with is remembered no more, and costs nothing."""

    def __init__(self) -> None:
        self._waits: dict[Place, _Wait] = {}

    def __bool__(self) -> bool:
        """Whether anything is still waited for."""
        return bool(self._waits)

    def begin(self, place: Place) -> None:
        """The place was just assigned."""
        self._waits[place] = _Wait()

    def forget(self, partition: int) -> None:
        """It is somebody else's now."""
        for place in [place for place in self._waits if place[1] == partition]:
            del self._waits[place]

    def record(self, place: Place, offset: int, end: Callable[[], int]) -> None:
        """A record was handed out; `end`: the end that its fetch told (negative: not known)."""
        wait = self._waits.get(place)
        if wait is None:
            return
        wait.handed = offset + 1
        if wait.goal is None:
            known = end()
            wait.goal = known if known > offset else None

    def ended(self, place: Place) -> None:
        """The partition ended, behind the last record handed out."""
        wait = self._waits.get(place)
        if wait is not None:
            wait.goal = wait.handed

    def reached(self, place: Place, position: int) -> bool:
        """Whether everything the place held is processed, up to before `position`."""
        wait = self._waits.get(place)
        if wait is None:
            return True
        if wait.goal is None or position < wait.goal:
            return False
        del self._waits[place]
        return True
