"""What was read back at an application, said in its receipts: verified, or drifted.

A contact that the application does not hold as it confirmed holds the alignment back from then on.
That is written before anything is repaired, and taken back only by reading it again: who confirmed
falsely once is not believed when it confirms the repair.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from connectors.protocol import Change
from connectors.receipts import Outcome, Receipts, Settled, Standing
from connectors.tracks import Track
from connectors.waiting import Entry
from noli.runtime.clock import now_ms

#: Contacts remembered as held wrongly, to be read back again by themselves; of more, the newest. A
#: survey reads back whatever it repairs.
_MOST: Final = 1_000


class Witness:
    """Shares the runner's tracks; for its event loop only."""

    def __init__(self, receipts: Receipts, tracks: Mapping[int, Track]) -> None:
        self._receipts = receipts
        self._tracks = tracks
        self._doubted: dict[str, Change] = {}

    def doubted(self) -> list[Change]:
        """Whom the application was found not to hold, and nobody has read back since."""
        return list(self._doubted.values())

    def doubts(self, change: Change) -> bool:
        """Whether it was found not to hold this, or a later version."""
        known = self._doubted.get(change.token)
        return known is not None and known.version >= change.version

    def applied(self, change: Change) -> None:
        """The application confirmed a change: a newer one is nobody's doubt yet."""
        known = self._doubted.get(change.token)
        if known is not None and change.version > known.version:
            del self._doubted[change.token]

    def lost(self, partition: int) -> None:
        """The partition is another one's to read back."""
        self._doubted = {t: c for t, c in self._doubted.items() if c.partition != partition}

    async def verified(self, changes: Sequence[Change]) -> None:
        """These were read back and are held as decided. Returns once the broker has it."""
        await self._say([(change, "verified", None) for change in changes])
        for change in changes:
            known = self._doubted.get(change.token)
            if known is not None and change.version >= known.version:
                del self._doubted[change.token]

    async def drifted(self, found: Iterable[tuple[Change, str]]) -> None:
        """These were read back and are not; with each, the cause. Returns once the broker has it.

        Who is in doubt already is not told again.
        """
        news = [(change, cause) for change, cause in found if not self.doubts(change)]
        await self._say([(change, "drifted", cause) for change, cause in news])
        self._doubted |= {change.token: change for change, _ in news}
        for token in list(self._doubted)[:-_MOST]:
            del self._doubted[token]

    async def _say(self, said: Sequence[tuple[Change, Outcome, str | None]]) -> None:
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
