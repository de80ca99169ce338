"""How far each application is, by what its connector committed: no process is asked.

With each offset a connector commits the newest beacon below it. So the broker alone knows as of
when an application is aligned, also while its connector is down, which is when one wants to know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from noli.cli.stack import screen
from noli.runtime import broker
from noli.runtime.clock import now_ms
from noli.runtime.settings import Settings
from noli.wire.apps import App, Job, State
from schemas.names import DECISIONS

_S: Final = 1_000
#: Of alignment, in seconds: beacons come once a second, and a commit as often.
_FRESH_S: Final = 10.0
_AS_OF: Final = re.compile(r"as_of=(\d+)")


@dataclass(frozen=True, slots=True)
class Standing:
    """`as_of`: all accepted before it (ms) stands there; None: not known on every partition."""

    app: App
    as_of: int | None
    records: int

    @property
    def lag_s(self) -> float | None:
        """How long ago that is, in seconds."""
        return None if self.as_of is None else max(0.0, (now_ms() - self.as_of) / _S)

    @property
    def aligned(self) -> bool:
        """Whether whatever was said seconds ago stands there."""
        return self.app.state is State.RUNNING and (self.lag_s or _FRESH_S) < _FRESH_S


def look(settings: Settings, apps: list[App]) -> list[Standing]:
    """Where each stands. Raises `noli.runtime.broker.BrokerUnavailable`."""
    client = broker.admin(settings)
    ends = broker.ends(client, broker.look(client), [DECISIONS])[DECISIONS]
    return [
        _standing(app, broker.marks(client, f"noli.app.{app.name}", DECISIONS), ends)
        for app in apps
    ]


def partitions(settings: Settings) -> int:
    """Of noli.decisions. Raises `noli.runtime.broker.BrokerUnavailable`."""
    return broker.look(broker.admin(settings)).topics[DECISIONS][0]


def _standing(app: App, marks: dict[int, tuple[int, str]], ends: dict[int, int]) -> Standing:
    as_ofs = [
        found and int(found[1]) for _, text in marks.values() for found in [_AS_OF.search(text)]
    ]
    known = [as_of for as_of in as_ofs if as_of is not None]
    whole = bool(ends) and len(known) == len(ends)
    behind = sum(max(0, end - marks.get(number, (0, ""))[0]) for number, end in ends.items())
    return Standing(app, min(known) if whole else None, behind)


def document(standing: Standing, partitions: int) -> dict[str, object]:
    """For programs. Times are ms since the epoch."""
    app = standing.app
    return {
        "app": app.name,
        "sink": app.face.sink if app.face else None,
        "state": app.state.value,
        "since": app.since,
        "by": app.by,
        "reason": app.reason,
        "aligned": standing.aligned,
        "aligned_as_of": standing.as_of,
        "lag_seconds": standing.lag_s,
        "records": standing.records,
        "job": None if app.job is None else _job(app.job, partitions),
    }


def _job(job: Job, partitions: int) -> dict[str, object]:
    return {
        "id": job.id,
        "verb": job.verb.value,
        "asked": job.asked,
        "by": job.by,
        "done": job.done(partitions),
        "passed": sum(part.passed for part in job.parts.values()),
        "total": sum(part.total for part in job.parts.values()),
        "contacts": sum(part.contacts for part in job.parts.values()),
        "written": sum(part.written for part in job.parts.values()),
        "drift": job.drift(),
    }


def show(standings: list[Standing], partitions: int) -> None:
    """One line an application."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("application", "sink", "state", "aligned as of", "behind", "last job"):
        table.add_column(name, justify="right" if name == "behind" else "left")
    for one in standings:
        app = one.app
        lag = "not known yet" if one.lag_s is None else f"{screen.age(one.lag_s)} ago"
        state = app.state.value + (f" ({app.reason})" if app.reason else "")
        color = "green" if one.aligned else "bold red"
        sink = app.face.sink if app.face else "?"
        job = "" if app.job is None else _words(app.job, partitions)
        table.add_row(app.name, sink, state, Text(lag, color), f"{one.records:,} records", job)
    Console().print(table)


def _words(job: Job, partitions: int) -> str:
    if not job.done(partitions):
        done = sum(part.done for part in job.parts.values())
        return f"{job.verb}: {done} of {partitions} partitions"
    found = ", ".join(f"{count} {cause}" for cause, count in sorted(job.drift().items()))
    return f"{job.verb}: done" + (f", {found}" if found else "")
