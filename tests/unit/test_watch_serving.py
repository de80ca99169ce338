"""Which applications have to confirm a hold, and what each of them has confirmed."""

from __future__ import annotations

from typing import Any

import pytest

from noli.domain import times
from noli.wire import apps
from noli.wire.alignment import OVERALL, Aligned, Origin
from noli.wire.apps import App, Face, State
from schemas.names import ALIGNMENT, APPS
from streams.watch.serving import Serving
from streams.watch.tally import confirmed_as_of
from tests.support.step import CODEC

NOON = times.parse("2026-11-28T11:00:00Z")


def app(name: str, channels: tuple[str, ...] = ("operator_call",), **over: Any) -> App:  # noqa: ANN401 - fields of App
    """An application of acme."""
    face = Face("webhook", ("acme",), channels, ("marketing",), third_party=False)
    return App(**{"name": name, "face": face, **over})


def aligned(name: str, as_of: int | None) -> Aligned:
    """As it was published last."""
    return Aligned(name, NOON, "watch-0", Origin(0, 0), as_of)


@pytest.mark.rule("SILENT-HOLD")
def test_every_application_of_calls_has_to_hold_it() -> None:
    """The one furthest behind counts, a paused one and an unknown one too; others do not."""
    known_apps = {
        each.name: each
        for each in (
            app("dialer"),
            app("robot", ("sms", "automated_call")),
            app("mailer", ("email",)),
            app("gone", state=State.REMOVED),
            app("theirs", face=Face("webhook", ("other",), ("operator_call",), (), False)),
        )
    }
    known = {name: aligned(name, NOON + n) for n, name in enumerate(["dialer", "robot"])}
    known[OVERALL] = aligned(OVERALL, 1)
    known["mailer"] = aligned("mailer", 2)
    assert confirmed_as_of("acme", known_apps, known) == NOON
    assert confirmed_as_of("other", known_apps, known) is None
    assert confirmed_as_of("nobody", known_apps, known) is None
    paused = {**known_apps, "idle": app("idle", state=State.PAUSED)}
    assert confirmed_as_of("acme", paused, known) is None
    assert confirmed_as_of("acme", paused, {**known, "idle": aligned("idle", NOON - 5)}) == NOON - 5
    assert confirmed_as_of("acme", known_apps, {**known, "dialer": aligned("dialer", None)}) is None
    unannounced = {**known_apps, "new": App("new")}
    assert confirmed_as_of("acme", unannounced, known) is None
    assert confirmed_as_of("acme", known_apps, {**known, "stray": aligned("stray", 7)}) == 7


@pytest.mark.rule("SILENT-HOLD")
def test_alignments_are_read_when_a_hold_waits() -> None:
    """The newest counts, not one that a replaced watcher wrote late, nor what nobody can read."""
    serving = Serving(CODEC)
    face = Face("webhook", ("acme",), ("operator_call",), ("marketing",), third_party=False)
    added = apps.action("dialer", apps.Verb.ADDED, action_id="1", at=1, by="me", face=face)
    serving.take(APPS, b"dialer", CODEC.encode("noli.AppAction", added))
    assert serving.confirmed("acme") is None

    def say(as_of: int, offset: int) -> None:
        found = Aligned("dialer", NOON, "w", Origin(0, offset), as_of)
        serving.take(ALIGNMENT, b"dialer", CODEC.encode("noli.Alignment", found.datum()))

    say(NOON, 5)
    say(NOON + 1, 6)
    assert serving.confirmed("acme") == NOON + 1
    say(NOON + 9, 4)
    assert serving.confirmed("acme") == NOON + 1
    serving.take(ALIGNMENT, b"dialer", b"junk")
    assert serving.confirmed("acme") == NOON + 1
