"""How many long requests of a kind are under way at once."""

from __future__ import annotations

from typing import Final

from noli.runtime.problem import Problem

_RETRY_AFTER_S: Final = 5


class Slots:
    """Those under way now. For one event loop."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, most: int, refusal: str) -> None:
        """One of `most`, until it is freed. Raises `Problem` 429 saying `refusal`: none is left."""
        if self._taken >= most:
            headers = {"Retry-After": str(_RETRY_AFTER_S)}
            raise Problem(429, "too-many", refusal, headers=headers)
        self._taken += 1

    def free(self) -> None:
        """The request is over."""
        self._taken -= 1
