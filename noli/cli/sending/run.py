"""A file's lines, batch by batch, to the intake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from noli.cli.sending.line import Event, Flaw, Line
from noli.cli.sending.post import Fate, Poster
from noli.cli.sending.rejects import Rejects
from noli.domain.contact import Unreadable, normalise

#: Bytes of the events of one post, under the intake's limit of 1 MB.
BODY_MAX: Final = 900_000

#: Told of each line that did not take effect, and why.
Report = Callable[[Line, str], object]


@dataclass(slots=True)
class Tally:
    """What came of a file so far. `held`: events whose contact a human must read."""

    accepted: int = 0
    refused: int = 0
    held: int = 0

    @property
    def clean(self) -> bool:
        """Whether every event took effect."""
        return not self.refused and not self.held


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends lines and keeps those that did not take effect."""

    poster: Poster
    rejects: Rejects
    report: Report

    def send(self, lines: Iterable[Line], size: int, done: Callable[[int], object]) -> Tally:
        """Send all, at most `size` events a post; `done` is told the last line of each."""
        tally = Tally()
        for batch in batches(lines, size):
            self._batch(batch, tally)
            done(batch[-1].number)
        return tally

    def _batch(self, batch: list[Line], tally: Tally) -> None:
        fates = iter(self.poster.post([event for line in batch for event in line.events]))
        for line in batch:
            whys = [] if line.flaw is None else [str(line.flaw)]
            tally.refused += len(whys)
            whys += [why for each in line.events if (why := _counted(next(fates), each, tally))]
            if whys:
                self.rejects.add(line, "; ".join(whys))
                self.report(line, "; ".join(whys))


def _counted(fate: Fate, event: Event, tally: Tally) -> str:
    """Count a fate; why it had no effect, empty where it had."""
    if isinstance(fate, Flaw):
        tally.refused += 1
        return str(fate)
    if fate.get("quarantined"):
        tally.held += 1
        kept = "kept for a human, correct it and send it again"
        return f"data.contact.value: {_unread(event)}; {kept}"
    tally.accepted += 1
    return ""


def _unread(event: Event) -> str:
    """What is the matter with the contact, as the intake saw it."""
    contact = event["data"].get("contact")
    try:
        normalise(contact["kind"], contact["value"])
    except Unreadable as error:
        return error.remedy
    except (TypeError, KeyError):
        return "give a kind and a value"
    return "unreadable"


def batches(lines: Iterable[Line], size: int) -> Iterator[list[Line]]:
    """Lines in groups of at most `size` events and `BODY_MAX` bytes; a line is never divided."""
    batch: list[Line] = []
    events = bytes_ = 0
    for line in lines:
        weight = len(orjson.dumps(line.events))
        if weight > BODY_MAX:
            line = _too_large(line)  # noqa: PLW2901 - the line as it will be sent: not at all
            weight = 0
        if batch and (events + len(line.events) > size or bytes_ + weight > BODY_MAX):
            yield batch
            batch, events, bytes_ = [], 0, 0
        batch.append(line)
        events += len(line.events)
        bytes_ += weight
    if batch:
        yield batch


def _too_large(line: Line) -> Line:
    flaw = Flaw("", f"larger than {BODY_MAX} bytes; shorten it")
    return Line(line.number, line.original, [], flaw)
