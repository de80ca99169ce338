"""When to try a failing application again, and with how much.

Pure: time is an argument. It never gives up: the pause grows to `CAP_S` and stays there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

#: First pause at most this long, in seconds; doubled with each failure in a row.
BASE_S: Final = 0.1
#: No pause chosen here is longer, in seconds: an application that returns is noticed by then.
CAP_S: Final = 30.0
#: No target is left alone for longer at its own wish, in seconds: objections wait for it.
AFTER_CAP_S: Final = 3_600.0
#: Doublings until the cap is passed; beyond, 2**n would only overflow.
_MOST_DOUBLINGS: Final = 9

Uniform = Callable[[float, float], float]


def pause_s(failures: int, uniform: Uniform, after: float | None = None) -> float:
    """Seconds to wait after that many failures in a row (1 or more): full jitter.

    `after` is what the target asked for (an hour at most); it is a floor, and the jitter comes on
    top, so that all who were sent away do not return together.
    """
    widest = min(CAP_S, BASE_S * 2 ** min(failures - 1, _MOST_DOUBLINGS))
    return min(after or 0.0, AFTER_CAP_S) + uniform(0.0, widest)


@dataclass(slots=True)
class Pace:
    """How much is offered at once, and from when on.

    A failed batch halves the next one, down to a single contact, so a contact that the target
    cannot digest is soon alone and holds nobody else back. Each success doubles it again.
    """

    most: int
    uniform: Uniform
    #: Contacts a second the application takes at most; None: as many as it can.
    rate: float | None = None
    limit: int = field(init=False)
    failures: int = 0
    #: Nothing is offered before this moment (seconds, steady clock).
    opens: float = 0.0
    #: When the rate allows the next batch.
    _allowed: float = 0.0

    def __post_init__(self) -> None:
        """Start with whole batches, none of more than a second's worth."""
        if self.rate is not None:
            self.most = max(1, min(self.most, int(self.rate)))
        self.limit = self.most

    def offered(self, size: int, now: float) -> None:
        """A batch of `size` is on its way: the next one waits until the rate allows it."""
        if self.rate is not None:
            self._allowed = max(now, self._allowed) + size / self.rate
            self.opens = max(self.opens, self._allowed)

    def succeeded(self) -> None:
        """The target took a batch, or answered for each change of it."""
        self.failures = 0
        self.opens = self._allowed
        self.limit = min(self.most, self.limit * 2)

    def failed(self, size: int, now: float, after: float | None) -> None:
        """The target took nothing of a batch of `size`."""
        self.failures += 1
        self.limit = max(1, min(self.limit, size // 2))
        self.opens = max(self.opens, now + pause_s(self.failures, self.uniform, after))
