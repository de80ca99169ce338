"""A survey beside a runner that goes on: what it reads back is compared with its own moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import pytest

from connectors import survey
from connectors.again import Again
from connectors.frontier import Frontier
from connectors.protocol import Change, Held, Problem, Result, Subject, Traits
from connectors.receipts import Standing
from connectors.survey import Office, Survey
from connectors.testing import a_change, a_verdict
from connectors.tracks import Track
from connectors.waiting import Waiting
from connectors.witness import Witness
from noli.wire.apps import Job, Verb

#: The log's end, as far as the runner has read.
READ: Final = 10


class Book:
    """Receipts, as they are written."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    async def write(self, standings: Sequence[tuple[Standing, int]]) -> None:
        """Note outcome and contact of each."""
        for standing, _ in standings:
            self.said += [(one.outcome, one.entry.change.token) for one in standing.settled]


class Application:
    """Holds what the runner gave it; `meanwhile` happens between being asked and answering."""

    def __init__(self) -> None:
        self.traits = Traits(read_back="exact")
        self.held: dict[str, Held] = {}
        self.meanwhile: Callable[[], object] = lambda: None

    def take(self, change: Change) -> None:
        """As a good receiver keeps it."""
        allowed = {v[:3]: v.allowed for v in change.verdicts}
        self.held[change.token] = Held(change.version, allowed)

    async def check(self) -> Sequence[Problem]:
        """Nothing is wrong."""
        return ()

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Only the runner's side of this test writes."""
        raise AssertionError(changes)

    async def read_back(self, subjects: Sequence[Subject]) -> Mapping[str, Held]:
        """What it held when it was asked."""
        answer = {s.token: self.held[s.token] for s in subjects if s.token in self.held}
        self.meanwhile()
        return answer

    async def aclose(self) -> None:
        """Nothing is open."""


class House:
    """A runner's side that stands still, an application, and a survey of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *found: Change) -> None:
        """`found`: what the survey finds in the log."""
        self.application = Application()
        self.waiting = Waiting()
        self.track = Track(0, Frontier(READ), 1, READ, 0)
        self.again = Again({0: self.track}, self.waiting, asyncio.Event())
        self.book = Book()
        self.witness = Witness(cast("Any", self.book), {0: self.track})
        self.after: Callable[[], object] = lambda: None
        batches = [list(found), []]

        class Log:
            """The newest decisions, in one batch."""

            def __init__(self, *_: object) -> None:
                pass

            async def take(self, _: int) -> list[Change]:
                return batches.pop(0)

            async def aclose(self) -> None:
                pass

        monkeypatch.setattr(survey, "Source", Log)

    async def progress(self, *_: object) -> None:
        """Nobody is told."""

    async def repair(self, path: Path) -> list[Change]:
        """Survey the partition; what it offers the application, which takes it."""
        office = Office(
            "crm", "connectors-crm", cast("Any", self), cast("Any", path), cast("Any", self),
            lambda: self.application, asyncio.Event(),
        )  # fmt: skip
        job = Job("1", Verb.REPAIR, 0, "someone", 1.0)
        going = asyncio.create_task(Survey(office, job, 0).run())
        offered: list[Change] = []
        while not going.done():
            for entry in self.waiting.take(10, now=0):
                offered.append(entry.change)
                self.confirm(entry)
            await asyncio.sleep(0)
        going.result()
        return offered

    def confirm(self, entry: Any) -> None:  # noqa: ANN401 - an entry of the queue
        """The application takes what is in flight."""
        self.application.take(entry.change)
        self.after()
        self.waiting.done(entry)
        self.again.news()


def allowing(token: str, version: int, offset: int) -> Change:
    """The newest decision of a contact: it may be called."""
    return a_change(token, version, a_verdict(allowed=True))._replace(offset=offset)


async def test_who_is_told_while_being_read_back_is_not_repaired(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nor said to be held wrongly: an allowance under way was taken away for ever."""
    newest = allowing(old := a_change().token, 2, READ - 1)
    house = House(monkeypatch, newest)
    house.application.take(a_change(old, 1))
    house.waiting.add(newest)
    (flying,) = house.waiting.take(10, now=0)
    house.application.meanwhile = lambda: house.confirm(flying)
    assert await house.repair(tmp_path) == []
    assert house.book.said == []
    assert house.application.held[old].allowed[newest.verdicts[0][:3]]


async def test_what_the_runner_has_yet_to_read_is_its_own_to_tell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A survey reads the log to its end, ahead of a runner that a slow line keeps behind."""
    newest = allowing(old := a_change().token, 2, READ)
    house = House(monkeypatch, newest)
    house.application.take(a_change(old, 1))
    assert await house.repair(tmp_path) == []
    assert house.book.said == []


async def test_who_was_told_anew_while_a_repair_was_looked_at_is_not_held_wrongly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second look is at the repair; a newer word than that is nobody's drift."""
    wrong = a_change(None, 2)._replace(offset=READ - 1)
    house = House(monkeypatch, wrong)
    house.application.take(allowing(wrong.token, 2, READ - 1))
    looks: list[int] = []

    def meanwhile() -> None:
        looks.append(1)
        if len(looks) == 1:
            return
        newer = allowing(wrong.token, 3, READ)
        assert house.track.touched is not None
        house.track.touched.add(newer.token)
        house.witness.applied(newer)

    house.application.meanwhile = meanwhile
    house.after = lambda: house.application.take(allowing(wrong.token, 3, READ))
    assert [change.version for change in await house.repair(tmp_path)] == [2]
    assert house.book.said == [("drifted", wrong.token)]


async def test_what_stands_wrongly_is_repaired(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An application put back to before an objection: said, taken away, read back as right."""
    objection = a_change(None, 2)._replace(offset=READ - 1)
    house = House(monkeypatch, objection)
    house.application.take(allowing(objection.token, 1, READ - 2))
    (offered,) = await house.repair(tmp_path)
    assert (offered.token, offered.version) == (objection.token, 2)
    assert house.book.said == [("drifted", objection.token), ("verified", objection.token)]
