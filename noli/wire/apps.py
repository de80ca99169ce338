"""`noli.apps` folded: which applications there are, what state they are in, what they are doing.

Pure. Records go in by the order of the log; one of a newer build changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

Datum = Mapping[str, Any]


class Verb(StrEnum):
    """What can be done to an application; the symbols of the contract."""

    ADDED = "added"
    CHANGED = "changed"
    PAUSED = "paused"
    RESUMED = "resumed"
    REMOVED = "removed"
    BACKFILL = "backfill"
    VERIFY = "verify"
    REPAIR = "repair"


class State(StrEnum):
    """What an application is told meanwhile."""

    RUNNING = "running"
    PAUSED = "paused"
    REMOVED = "removed"


#: Verbs that set a state.
_STATES: Final[Mapping[Verb, State]] = {
    Verb.ADDED: State.RUNNING,
    Verb.RESUMED: State.RUNNING,
    Verb.PAUSED: State.PAUSED,
    Verb.REMOVED: State.REMOVED,
}
#: Verbs that take time: they go on until every partition is done or another one is asked for.
JOBS: Final = frozenset({Verb.BACKFILL, Verb.VERIFY, Verb.REPAIR})

_PART: Final = ("passed", "total", "contacts", "written", "drift", "done", "at")


class Face(NamedTuple):
    """What a manifest says of an application, without the sink's own config."""

    sink: str
    controllers: tuple[str, ...]
    channels: tuple[str, ...]
    purposes: tuple[str, ...]
    third_party: bool
    #: Whether canaries are sent to it.
    canary: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """A job on one partition: records passed, of how many; contacts looked at, and offered again.

    `drift`: contacts by what was wrong with them.
    """

    passed: int
    total: int
    contacts: int
    written: int
    drift: Mapping[str, int]
    done: bool
    at: int


@dataclass(frozen=True, slots=True)
class Job:
    """A backfill, verify or repair. `asked`, ms; `sample`: share of contacts, 0 to 1."""

    id: str
    verb: Verb
    asked: int
    by: str
    sample: float
    parts: Mapping[int, Part] = field(default_factory=dict)

    def done(self, partitions: int) -> bool:
        """Whether every one of so many partitions is through."""
        return sum(part.done for part in self.parts.values()) >= partitions

    def drift(self) -> dict[str, int]:
        """Contacts by what was wrong with them, over all partitions."""
        found: dict[str, int] = {}
        for part in self.parts.values():
            for cause, count in part.drift.items():
                found[cause] = found.get(cause, 0) + count
        return found


@dataclass(frozen=True, slots=True)
class App:
    """An application. `since`: of its state, ms; `face` None: never announced by a manifest."""

    name: str
    state: State = State.RUNNING
    since: int = 0
    by: str = ""
    reason: str | None = None
    face: Face | None = None
    #: When it was added last, ms; 0: never, as far as the log says.
    added: int = 0
    #: The newest job, done or not.
    job: Job | None = None


def folded(apps: Mapping[str, App], record: str, datum: Datum) -> dict[str, App]:
    """The applications after one more record: its full name and its decoded value."""
    app = apps.get(datum["app"]) or App(datum["app"])
    after = _acted(app, datum) if record == "noli.AppAction" else _progressed(app, datum)
    return {**apps, app.name: after}


def action(  # noqa: PLR0913 - the fields of the contract
    app: str, verb: Verb, *, action_id: str, at: int, by: str, reason: str | None = None,
    face: Face | None = None, sample: float = 1.0,
) -> dict[str, Any]:  # fmt: skip
    """A `noli.AppAction`."""
    told = None if face is None else {n: _plain(v) for n, v in face._asdict().items()}
    return {
        "app": app, "verb": verb.value, "id": action_id, "at": at, "by": by, "reason": reason,
        "face": told, "sample": sample,
    }  # fmt: skip


def progress(app: str, action_id: str, worker: str, partition: int, part: Part) -> dict[str, Any]:
    """A `noli.AppProgress`."""
    return {
        "app": app, "action": action_id, "worker": worker, "at": part.at, "partition": partition,
        "passed": part.passed, "total": part.total, "contacts": part.contacts,
        "written": part.written, "drift": dict(part.drift), "done": part.done,
    }  # fmt: skip


def _acted(app: App, datum: Datum) -> App:
    if datum["verb"] not in set(Verb):
        return app
    verb = Verb(datum["verb"])
    if verb in JOBS:
        return replace(app, job=Job(datum["id"], verb, datum["at"], datum["by"], datum["sample"]))
    if datum["face"] is not None:
        app = replace(app, face=_face(datum["face"]))
    if verb is Verb.ADDED:
        app = replace(app, added=datum["at"])
    if verb not in _STATES:
        return app
    return replace(
        app, state=_STATES[verb], since=datum["at"], by=datum["by"], reason=datum["reason"]
    )


def _progressed(app: App, datum: Datum) -> App:
    if app.job is None or app.job.id != datum["action"]:
        return app  # of a job that another one replaced
    part = Part(*(datum[name] for name in _PART))
    return replace(app, job=replace(app.job, parts={**app.job.parts, datum["partition"]: part}))


def _face(datum: Datum) -> Face:
    names = ("controllers", "channels", "purposes")
    controllers, channels, purposes = (tuple(datum[name]) for name in names)
    canary = datum.get("canary", True)
    return Face(datum["sink"], controllers, channels, purposes, datum["third_party"], canary)


def _plain(value: object) -> object:
    return [str(each) for each in value] if isinstance(value, tuple) else value
