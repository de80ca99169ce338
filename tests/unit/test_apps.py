"""`noli.apps` folded: states and jobs of applications."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest

from noli.wire.apps import App, Face, Part, State, Verb, action, folded, progress

FACE = Face("webhook", ("acme",), ("email",), ("marketing",), third_party=False)
Record = tuple[str, dict[str, Any]]


def acted(verb: Verb, at: int, **more: Any) -> Record:  # noqa: ANN401 - fields of an action
    """An action on `crm`."""
    told = action("crm", verb, action_id=f"{verb}-{at}", at=at, by="anna", **more)
    return "noli.AppAction", told


def went(action_id: str, partition: int, *, done: bool, **drift: int) -> Record:
    """Progress of a job on `crm`."""
    part = Part(7, 9, 5, 2, drift, done=done, at=9)
    return "noli.AppProgress", progress("crm", action_id, "connectors-crm", partition, part)


def apps(*records: Record) -> dict[str, App]:
    """The fold of records."""
    start: dict[str, App] = {}
    return reduce(lambda found, one: folded(found, *one), records, start)


@pytest.mark.parametrize(
    "verbs, state",
    [
        ([Verb.ADDED], State.RUNNING),
        ([Verb.ADDED, Verb.PAUSED], State.PAUSED),
        ([Verb.ADDED, Verb.PAUSED, Verb.CHANGED], State.PAUSED),
        ([Verb.ADDED, Verb.PAUSED, Verb.VERIFY], State.PAUSED),
        ([Verb.PAUSED, Verb.RESUMED], State.RUNNING),
        ([Verb.ADDED, Verb.REMOVED], State.REMOVED),
        ([Verb.REMOVED, Verb.ADDED], State.RUNNING),
    ],
)
def test_the_last_word_on_its_state_counts(verbs: list[Verb], state: State) -> None:
    """Other verbs leave it."""
    assert apps(*(acted(verb, at) for at, verb in enumerate(verbs, 1)))["crm"].state is state


def test_an_application_is_known_by_its_manifest() -> None:
    """The newest face stays through pauses; who paused it, when and why is told."""
    found = apps(acted(Verb.ADDED, 1, face=FACE), acted(Verb.PAUSED, 2, reason="a new server"))
    app = found["crm"]
    assert (app.face, app.since, app.by, app.reason) == (FACE, 2, "anna", "a new server")


def test_a_job_is_done_once_every_partition_is() -> None:
    """Drift is counted over all of them; progress of a replaced job is nobody's."""
    asked = [acted(Verb.VERIFY, 1), acted(Verb.REPAIR, 2, sample=0.5)]
    half = [*asked, went("verify-1", 0, done=True), went("repair-2", 0, done=True, older=3)]
    job = apps(*half)["crm"].job
    assert job is not None
    assert (job.verb, job.sample, job.done(2), list(job.parts)) == (Verb.REPAIR, 0.5, False, [0])
    job = apps(*half, went("repair-2", 1, done=True, older=1, allowed=2))["crm"].job
    assert job is not None
    assert (job.done(2), job.drift()) == (True, {"older": 4, "allowed": 2})


def test_a_verb_of_a_newer_build_changes_nothing() -> None:
    """It is read as unknown."""
    record, datum = acted(Verb.PAUSED, 2)
    found = apps(acted(Verb.ADDED, 1), (record, {**datum, "verb": "unknown"}))
    assert found["crm"].state is State.RUNNING


def test_a_face_of_before_canaries_is_one_that_is_probed() -> None:
    """Applications announced by an earlier build are told of canaries until they say otherwise."""
    name, datum = acted(Verb.ADDED, 1, face=FACE)
    told = datum["face"]
    assert told.pop("canary") is True
    found = apps((name, {**datum, "face": told}))["crm"].face
    assert found == FACE
    quiet = apps(acted(Verb.ADDED, 1, face=FACE._replace(canary=False)))["crm"].face
    assert quiet is not None
    assert not quiet.canary
