"""Faults of applications: they refuse, hang, lose answers, and are put back to a backup."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from noli.runtime import alignment, registry
from noli.runtime.clock import now_ms
from noli.runtime.scan import LogUnavailable
from noli.wire.alignment import OVERALL
from tests.chaos.rig.faults import Chance, Put, killed
from tests.chaos.rig.lab import SCRIPTED, STEADY, Rig
from tests.chaos.rig.lines import line
from tests.support.bad_app import APPLIED_BUT_ANSWER_LOST, HANG, OK, Step, failing

#: What the crowd consents to and objects to.
PAIR: Final = ("sms", "marketing", "*")
#: How often an operator asks again for what something else displaced.
_TRIES: Final = 3
#: Of what the watcher publishes once a second, about persons too: they add two seconds, the machine
#: the rest.
_FRESH_MS: Final = 15_000

#: How the scripted application misbehaves, by name.
MISBEHAVIOURS: Final[dict[str, list[Step]]] = {
    "500s": [failing(500)],
    "429": [failing(429, Retry_After="1")],
    "503 with a date": [failing(503, Retry_After="2")],
    "redirects": [failing(302, Location="http://127.0.0.1:9/")],
    "applies, then drops the answer": [APPLIED_BUT_ANSWER_LOST],
    "partly": [failing(207), OK],
    "slow, then hangs": [HANG, OK],
    "500, 500, 200": [failing(500), failing(500), OK],
    "gone for good, it says": [failing(410)],
    "refuses the body": [failing(413), OK],
}


@contextmanager
def misbehaves(rig: Rig, chance: Chance) -> Iterator[str]:
    """The scripted application follows one of the scripts, over and over."""
    app = rig.apps[SCRIPTED]
    what = chance.choice(list(MISBEHAVIOURS))
    steps = MISBEHAVIOURS[what]
    if len(steps) == 1:
        app.always(steps[0])
    else:
        app.script(*steps * 200)
    try:
        yield f"{SCRIPTED}: {what}"
    finally:
        app.always(OK)  # drops what is left of the script
        app.always(None)


def regressed(name: str) -> Put:
    """The application is put back to what it was when the fault began.

    What it wrongly allows is taken away by its own read-back; what it lost, its operator fills in.
    """

    @contextmanager
    def put(rig: Rig, _chance: Chance) -> Iterator[str]:
        app = rig.apps.get(name)
        kept = app.backup() if app else {}
        kept_at = app.kept_at if app else rig.table.backup()
        try:
            yield f"{name}: put back by the length of the fault"
        finally:
            if app:
                app.rewind(kept)
            at = app.rewound_at if app else rig.table.restore()
            rig.restored.append((name, at, kept_at))

    return put


def obeys_again(name: str) -> Callable[[Rig, Collection[str]], bool]:
    """Whether an application allows nobody who objected: what its read-back has to see to."""

    def done(rig: Rig, objectors: Collection[str]) -> bool:
        app = rig.apps.get(name)
        if app:
            return not any(app.allowed(value, PAIR) for value in objectors)
        people = [("phone", value) for value in objectors]
        return not any(rig.dialer.allowed(people, PAIR[0]))

    return done


def filled(name: str) -> Callable[[Rig], None]:
    """Its operator has everything written again, as the runbook says."""

    def mend(rig: Rig) -> None:
        for left in reversed(range(_TRIES)):
            try:
                rig.cli("app", "backfill", name, "--reason", "put back")
            except AssertionError as error:  # its own read-back was asked for in the same moment
                if not left or "another job was asked for meanwhile" not in str(error):
                    raise
            else:
                return

    return mend


def watched(rig: Rig, _objectors: Collection[str]) -> bool:
    """Whether all applications together are published as aligned, as of some seconds ago."""
    settings = rig.settings()
    try:
        found = alignment.look(settings, registry.codec(settings)).get(OVERALL)
    except LogUnavailable:
        return False
    return found is not None and (found.as_of or 0) > now_ms() - _FRESH_MS


@contextmanager
def together(rig: Rig, chance: Chance) -> Iterator[str]:
    """Two faults at once, of different kinds."""
    first = line("INTAKE", "PROC", "CONN", "READ")
    second = chance.choice([killed("suppress-0", f"connectors-{STEADY}", "intake"), misbehaves])
    with ExitStack() as stack:
        drawn = [stack.enter_context(each(rig, chance)) for each in (first, second)]
        yield "; ".join(drawn)
