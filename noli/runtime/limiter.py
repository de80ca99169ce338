"""Token buckets per caller."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from noli.runtime import clock
from noli.runtime.problem import Problem

#: Callers remembered; the longest unseen one is forgotten first, and starts full again.
_CALLERS_MAX: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class Limiter:
    """Lets each caller spend `rate` a second on average and `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def spend(self, caller: str, cost: float, now: float) -> float:
        """Spend `cost` at time `now` (steady seconds): 0, or the seconds to wait, nothing spent.

        What costs more than a burst is taken once the bucket is full, and runs into debt.
        """
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._buckets[caller] = _Bucket(self._burst, now)
            if len(self._buckets) > _CALLERS_MAX:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(caller)
        bucket.level = min(self._burst, bucket.level + (now - bucket.at) * self._rate)
        bucket.at = now
        missing = min(cost, self._burst) - bucket.level
        if missing > 0:
            return missing / self._rate
        bucket.level -= cost
        return 0.0


def spend(limiter: Limiter, caller: str, cost: int) -> None:
    """Spend for a request, at least 1. Raises `Problem` 429 with the seconds to wait."""
    wait = limiter.spend(caller, max(1, cost), clock.steady())
    if wait > 0:
        detail = "this API key is faster than its limit; wait, then send the same again"
        raise Problem(429, "too-fast", detail, headers={"Retry-After": str(int(wait) + 1)})
