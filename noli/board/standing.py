"""How an application stands now, by what was last said of it. Every doubt ends in "not aligned".

Pure: `now` (ms) is an argument. A record says how things were when it was written; whoever wrote it
may be dead since, so its age counts as much as its contents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from noli.board.known import OVERALL, Datum, Known
from noli.wire.apps import App
from noli.wire.apps import State as Told

#: An application is aligned while whatever was said longer ago than this stands there, in ms.
#: Beacons come once a second; the objective is 10 s (docs/explanation: alignment).
ALIGNED_MS: Final = 10_000
#: The watcher writes once a second; silent for longer, what it wrote last is history, in ms.
SILENT_MS: Final = 10_000
#: A time further ahead of our clock than this is not believed, in ms.
AHEAD_MS: Final = 2_000

#: Any of these makes it not aligned, however young its as_of: it will not get younger by itself.
_GRAVE: Final = frozenset({"wrong", "unreadable", "quarantine", "dead", "not_reported", "paused"})
#: Nobody speaks for the application.
_NOBODY: Final = frozenset({"dead", "not_reported"})


class State(StrEnum):
    """In one word."""

    ALIGNED = "aligned"
    BEHIND = "behind"
    HELD = "held"
    PAUSED = "paused"
    SILENT = "silent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Hold:
    """What holds it back: the watcher's words, or ours: `unknown`, `watcher`, `clock`."""

    why: str
    since: int | None = None
    count: int = 1
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """`as_of` (ms): it holds everything accepted before; None: nobody knows."""

    app: App
    state: State
    as_of: int | None
    holds: tuple[Hold, ...]
    record: Datum | None

    @property
    def aligned(self) -> bool:
        """Whether it holds whatever was said ten seconds ago."""
        return self.state is State.ALIGNED


@dataclass(frozen=True, slots=True)
class Overall:
    """All applications together, and whoever watches them; `said_at` (ms): its last word."""

    as_of: int | None
    aligned: bool
    holds: tuple[Hold, ...]
    said_at: int | None
    silent: bool


def standing(app: App, record: Datum | None, now: int) -> Standing:
    """One application. `record`: the newest of noli.alignment; None: there is none to be read."""
    if record is None:
        return Standing(app, _named(app, State.UNKNOWN), None, (Hold("unknown"),), None)
    holds = (*_doubts(record, now), *(_hold(each) for each in record["held_by"]))
    doubted = any(hold.why == "clock" for hold in holds)
    as_of = None if doubted else record["as_of"]
    return Standing(app, _named(app, _state(as_of, holds, now)), as_of, holds, record)


def standings(known: Known, now: int) -> list[Standing]:
    """Every registered application, by name."""
    return [standing(app, known.alignment.get(name), now) for name, app in known.apps.items()]


def overall(known: Known, each: Iterable[Standing], now: int) -> Overall:
    """All of them: never fresher than any one, nor than what the watcher says of all."""
    each = list(each)
    record = known.alignment.get(OVERALL)
    said = max((r["at"] for r in known.alignment.values() if r is not None), default=None)
    silent = said is None or not -AHEAD_MS <= now - said <= SILENT_MS
    as_ofs = [None if record is None else record["as_of"], *(one.as_of for one in each)]
    sure = [as_of for as_of in as_ofs if as_of is not None and as_of - now <= AHEAD_MS]
    as_of = min(sure) if len(sure) == len(as_ofs) else None
    holds = () if record is None else tuple(_hold(one) for one in record["held_by"])
    aligned = not silent and as_of is not None and now - as_of < ALIGNED_MS
    return Overall(as_of, aligned and all(one.aligned for one in each), holds, said, silent)


def _named(app: App, state: State) -> State:
    """Nobody expects a paused application to be told anything."""
    return State.PAUSED if app.state is Told.PAUSED else state


def _state(as_of: int | None, holds: Iterable[Hold], now: int) -> State:
    whys = {hold.why for hold in holds}
    if whys & {"watcher", "clock"} or whys & _NOBODY:
        return State.SILENT
    if "paused" in whys:
        return State.PAUSED
    if whys & _GRAVE:
        return State.HELD
    if as_of is None:
        return State.UNKNOWN
    if now - as_of < ALIGNED_MS:
        return State.ALIGNED
    return State.HELD if whys else State.BEHIND


def _doubts(record: Datum, now: int) -> Iterable[Hold]:
    """What the record itself cannot say: that nobody writes it any more."""
    age = now - record["at"]
    if age > SILENT_MS:
        yield Hold("watcher", record["at"])
    if age < -AHEAD_MS or (record["as_of"] is not None and record["as_of"] - now > AHEAD_MS):
        yield Hold("clock", None, 1, "its times are ahead of this clock")


def _hold(datum: Mapping[str, Any]) -> Hold:
    return Hold(datum["why"], datum["since"], datum["count"], datum["detail"])
