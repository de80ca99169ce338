"""Changes that wait for an application: one per contact, the newest, restrictions first. Pure.

A contact is in flight at most once, so its changes reach the target in order. What a newer change
replaced is kept as a `Past`: its receipt and its offset are settled with the newer one, not before.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from connectors.protocol import Change, Verdict

#: Reasons that take something away from somebody who may hold it: these go before every grant.
RESTRICTING: Final = frozenset(
    {"OBJECTED", "WITHDRAWN", "ERASED", "QUARANTINED", "REGISTERED", "SILENT_CALL_HOLD"}
)


#: Sets of verdicts remembered with their urgency; as many as `connectors.lens` works out once.
_SHAPES: Final = 4_096


class Past(NamedTuple):
    """A change that a newer one of the same contact replaced."""

    offset: int
    version: int
    accepted: int


@dataclass(slots=True)
class Entry:
    """One contact: its newest change, and what that replaced."""

    change: Change
    past: list[Past] = field(default_factory=list)
    #: Offsets of records nobody could read, replaced by this change.
    unread: list[int] = field(default_factory=list)
    attempts: int = 0
    #: The application was told of it before: it is no news, and its delay is nobody's.
    again: bool = False

    def absorb(self, change: Change) -> None:
        """Take over a further change of this contact; the higher version stays."""
        newer, older = (
            (change, self.change) if change.version > self.change.version else (self.change, change)
        )
        self.past.append(Past(older.offset, older.version, older.accepted))
        self.change = newer

    def offsets(self) -> set[int]:
        """Every offset that is settled with this entry."""
        return {self.change.offset, *self.unread, *(past.offset for past in self.past)}


class Waiting:
    """Who waits, who is in flight, who was put off until when."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._flying: dict[str, Entry] = {}
        self._urgent: dict[str, None] = {}
        self._ordinary: dict[str, None] = {}
        self._put_off: dict[str, float] = {}
        self._alarms: list[tuple[float, str]] = []

    def __len__(self) -> int:
        """Contacts whose newest change is not confirmed."""
        both = sum(token in self._entries for token in self._flying)
        return len(self._entries) + len(self._flying) - both

    @property
    def flying(self) -> int:
        """Contacts in flight."""
        return len(self._flying)

    def add(self, change: Change, unread: Sequence[int] = (), *, again: bool = False) -> None:
        """A change was read. It replaces an older one of its contact that still waits.

        `again`: the application was told of it before.
        """
        flying = self._flying.get(change.token)
        if flying is not None and change.version <= flying.change.version:
            flying.absorb(change)
            flying.unread.extend(unread)
            return
        entry = self._entries.get(change.token)
        if entry is None:
            entry = self._entries[change.token] = Entry(change, again=again)
        else:
            entry.absorb(change)
            entry.again = entry.again and again
            entry.attempts = 0
            self._put_off.pop(change.token, None)  # a newer verdict is news: offered at once
        entry.unread.extend(unread)
        self._queue(change.token)

    def take(self, limit: int, now: float) -> list[Entry]:
        """At most `limit` contacts that may be offered now; they are in flight from here on."""
        self._wake(now)
        taken: list[Entry] = []
        for queue in (self._urgent, self._ordinary):
            while queue and len(taken) < limit:
                token = next(iter(queue))
                del queue[token]
                entry = self._entries.pop(token)
                self._flying[token] = entry
                taken.append(entry)
        return taken

    def done(self, entry: Entry) -> None:
        """The target answered for good; a newer change of this contact may fly."""
        token = entry.change.token
        if self._flying.pop(token, None) is not None and token in self._entries:
            self._queue(token)

    def back(self, entry: Entry, until: float | None = None) -> None:
        """The target did not take it: it waits again, behind the others, or not before `until`."""
        token = entry.change.token
        if self._flying.pop(token, None) is None:
            return  # its partition was taken away meanwhile
        newer = self._entries.get(token)
        if newer is not None:
            entry.absorb(newer.change)
            entry.past.extend(newer.past)
            entry.unread.extend(newer.unread)
            entry.again = entry.again and newer.again
            entry.attempts, until = 0, None  # a newer verdict is news: offered at once
        self._entries[token] = entry
        if until is not None:
            self._put_off[token] = until
            heapq.heappush(self._alarms, (until, token))
        self._queue(token)

    def __contains__(self, token: object) -> bool:
        """Whether a change of this contact waits or is in flight."""
        return token in self._entries or token in self._flying

    def tokens(self, partition: int) -> set[str]:
        """Whose changes wait or are in flight, of one partition."""
        both = (*self._entries.items(), *self._flying.items())
        return {token for token, entry in both if entry.change.partition == partition}

    def restricts(self) -> bool:
        """Whether somebody waits, or is in flight, from whom something is taken away."""
        held = (self._entries.get(token) for token in (*self._put_off, *self._flying))
        entries = (*self._flying.values(), *(entry for entry in held if entry))
        return bool(self._urgent) or any(takes_away(e.change.verdicts) for e in entries)

    def oldest(self) -> int | None:
        """Acceptance (ms) of the oldest change not confirmed; None: nobody waits.

        Who is offered again what was applied long ago (a repair) has not waited since then.
        """
        moments = (
            accepted
            for held in (self._entries, self._flying)
            for entry in held.values()
            if not entry.again
            for accepted in (entry.change.accepted, *(past.accepted for past in entry.past))
        )
        return min(moments, default=None)

    def next_alarm(self) -> float | None:
        """When to look again for a contact that was put off (seconds, steady clock)."""
        return self._alarms[0][0] if self._alarms else None

    def drop(self, partition: int) -> None:
        """Forget a partition that is no longer ours: its new owner reads it again."""
        for held in (self._entries, self._flying):
            for token in [t for t, e in held.items() if e.change.partition == partition]:
                del held[token]
                for queue in (self._urgent, self._ordinary):
                    queue.pop(token, None)
                self._put_off.pop(token, None)

    def _queue(self, token: str) -> None:
        if token in self._flying or token in self._put_off:
            return
        entry = self._entries[token]
        if takes_away(entry.change.verdicts):
            self._ordinary.pop(token, None)
            self._urgent[token] = None
        elif token not in self._urgent:
            self._ordinary[token] = None

    def _wake(self, now: float) -> None:
        while self._alarms and self._alarms[0][0] <= now:
            until, token = heapq.heappop(self._alarms)
            if self._put_off.get(token) == until:
                del self._put_off[token]
                if token in self._entries:
                    self._queue(token)


@lru_cache(_SHAPES)
def takes_away(verdicts: tuple[Verdict, ...]) -> bool:
    """Whether they take something away from somebody who may hold it."""
    return any(not RESTRICTING.isdisjoint(verdict.reasons) for verdict in verdicts)
