"""The board as one document, and what changes of it: at most once a second, for every client.

Nothing is kept per client. Each stands at a number and takes what came after it; one that falls
behind by more than is kept is let go, and begins again with the whole.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from noli.board import documents
from noli.board.known import OVERALL, Known
from noli.board.lags import STEP_MS
from noli.board.standing import overall, standings
from noli.domain import times
from noli.runtime.eventstream import event

Json = dict[str, Any]

#: Seconds between two looks: what people can follow, and how late a board may be.
TICK_S: Final = 1.0
#: Changes kept: a client may be away or slow for so many seconds and miss nothing.
KEPT: Final = 120

#: Parts of the board that are documents by name.
_MAPS: Final = ("apps", "canaries", "campaigns")


class Change(NamedTuple):
    """The event that leads from the board before to this one."""

    number: int
    data: bytes


class Hub:
    """What every stream reads from. For one event loop."""

    def __init__(self, known: Known) -> None:
        self._known = known
        #: Numbers of another life mean nothing here.
        self._life = secrets.token_hex(4)
        self._number = 0
        self._board: Json = {"overall": {}, "quarantine": {}, **{name: {} for name in _MAPS}}
        self._changes: deque[Change] = deque(maxlen=KEPT)
        self._news = asyncio.Event()
        self._step = 0
        self._at = 0

    def tick(self, now: int) -> None:
        """Look at what is known; tell whoever waits, if anything is new."""
        each = standings(self._known, now)
        whole = overall(self._known, each, now)
        as_ofs = {OVERALL: whole.as_of, **{one.app.name: one.as_of for one in each}}
        self._known.lags.tick(now, as_ofs)
        names = self._known.apps
        board = {
            "overall": documents.overall(whole),
            "quarantine": documents.quarantine(self._known),
            "apps": {one.app.name: documents.app(one) for one in each},
            "canaries": {
                name: documents.canary_document(datum)
                for name, datum in sorted(self._known.canaries.items())
                if datum is not None and name in names
            },
            "campaigns": {
                name: documents.campaign_document(datum)
                for name, datum in sorted(self._known.campaigns.items())
                if datum is not None
            },
        }
        changed = changes(self._board, board)
        self._board, self._at = board, now
        changed |= self._points(as_ofs, now)
        if changed:
            self._tell({"at": times.text(now), **changed})

    def whole(self) -> bytes:
        """The event that holds all of the board; a client that has it stands at `number`."""
        names = [OVERALL, *self._board["apps"]]
        lags = documents.lags(self._known, names, self._at)
        data = {"at": times.text(self._at), **self._board, "lags": lags}
        return event("board", self.place, data)

    @property
    def number(self) -> int:
        """Of the newest change."""
        return self._number

    @property
    def place(self) -> str:
        """The id of the newest change."""
        return f"{self._life}.{self._number}"

    def stood(self, place: str | None) -> int | None:
        """The number of a client that comes back with the id it saw last; None: begin anew."""
        life, _, number = (place or "").partition(".")
        if life != self._life or not number.isdecimal() or self.since(int(number)) is None:
            return None
        return int(number)

    def since(self, number: int) -> bytes | None:
        """The changes after a number; None: they are no longer kept."""
        missing = self._number - number
        if not 0 <= missing <= len(self._changes):
            return None
        return b"".join(c.data for c in [*self._changes][len(self._changes) - missing :])

    async def later(self, number: int) -> None:
        """Wait for a change after that number."""
        while self._number <= number:
            await self._news.wait()

    def beat(self, number: int, now: int) -> bytes:
        """For a client that stands there: nothing changed, and we live."""
        return event("beat", f"{self._life}.{number}", {"at": times.text(now)})

    def _tell(self, data: Json) -> None:
        self._number += 1
        self._changes.append(Change(self._number, event("change", self.place, data)))
        self._news.set()
        self._news = asyncio.Event()

    def _points(self, names: Mapping[str, object], now: int) -> Json:
        """The newest whole step of every curve, once."""
        step = now // STEP_MS - 1
        if step == self._step:
            return {}
        self._step = step
        points = {name: self._known.lags.point(name, step) for name in names}
        return {"lags": {"step": step, "points": points}}


def changes(before: Json, after: Json) -> Json:
    """What is to be laid over a board to make another of it; null takes an entry away."""
    found: Json = {
        name: after[name] for name in ("overall", "quarantine") if before[name] != after[name]
    }
    for name in _MAPS:
        old, new = before[name], after[name]
        part: Json = dict.fromkeys(old.keys() - new.keys())
        for key, document in new.items():
            fields = _fields(old.get(key, {}), document)
            if fields:
                part[key] = fields
        if part:
            found[name] = part
    return found


def _fields(before: Json, after: Json) -> Json:
    return {name: value for name, value in after.items() if before.get(name, ...) != value}
