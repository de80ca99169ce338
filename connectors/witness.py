"""What was read back at an application, said in its receipts: verified, or drifted.

A contact that the application does not hold as it confirmed holds the alignment back from then on.
That is written before anything is repaired, and is taken back only by reading it again: who
confirmed falsely once is not believed when it confirms the repair.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from connectors.protocol import Change
from connectors.receipts import Outcome, Receipts, Settled, Standing
from connectors.tracks import Track
from connectors.waiting import Entry
from noli.runtime.clock import now_ms


class Witness:
    """Shares the runner's tracks; for its event loop only."""

    def __init__(self, receipts: Receipts, tracks: Mapping[int, Track]) -> None:
        self._receipts = receipts
        self._tracks = tracks

    async def verified(self, changes: Sequence[Change]) -> None:
        """These were read back and found as they were decided."""
        await self._say([(change, "verified", None) for change in changes])

    async def drifted(self, found: Iterable[tuple[Change, str]]) -> None:
        """These were read back and found otherwise; with each, the cause."""
        await self._say([(change, "drifted", cause) for change, cause in found])

    async def _say(self, said: Sequence[tuple[Change, Outcome, str | None]]) -> None:
        """Return once the broker holds it. What is not ours any more its new owner reads back."""
        settled: dict[int, list[Settled]] = defaultdict(list)
        for change, outcome, note in said:
            if change.partition in self._tracks:
                settled[change.partition].append(Settled(Entry(change), outcome, note))
        at = now_ms()
        await self._receipts.write(
            [
                (Standing(partition, self._tracks[partition].frontier.point(), each), at)
                for partition, each in settled.items()
            ]
        )
