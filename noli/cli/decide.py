"""`noli decide FILE`: the law without a broker. Events and questions in, verdicts out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Annotated, Any, Final

import orjson
import typer

from noli.domain import contact, events, times
from noli.domain.channel import CHANNEL_BIT, PURPOSE_BIT, Channel, Purpose
from noli.domain.contact import Contact
from noli.domain.reason import Reason
from noli.domain.scenario import Ask, Scenario
from noli.domain.verdict import Query, Verdict
from noli.runtime.clock import now_ms

#: Exit code when a line could not be read; the others were answered all the same.
UNREAD: Final = 2
_STDIN: Final = "-"
_TIME_REMEDY: Final = "give an RFC 3339 time with its offset"

app = typer.Typer()


@app.command()
def main(
    file: Annotated[str, typer.Argument(metavar="FILE", help="NDJSON; - is standard input.")],
) -> None:
    """Answer each `ask` of FILE from its `event`s, by the law alone: no broker, no store.

    One line of JSON per question, in order. Events may stand anywhere: a question sees those
    accepted up to its `at`. Exit code 2, with line numbers on stderr, where a line is unreadable.
    """
    raise typer.Exit(decide(file, sys.stdout, sys.stderr))


def decide(path: str, out: IO[str], err: IO[str]) -> int:
    """Exit code: 0, or 2 where a line could not be read (its number and cause go to `err`)."""
    if path == _STDIN:
        return judge(sys.stdin.buffer, now_ms(), out, err)
    try:
        with Path(path).open("rb") as lines:
            return judge(lines, now_ms(), out, err)
    except OSError as error:
        err.write(f"{path}: {error.strerror}: give a readable file, or - for standard input\n")
        return UNREAD


def judge(lines: Iterable[bytes], now: int, out: IO[str], err: IO[str]) -> int:
    """`decide` on lines, at the moment `now` (ms) where a question names none."""
    reader = _Reader(now)
    for number, line in enumerate(lines, 1):
        if line.strip():
            reader.read(number, line)
    for verdict in reader.verdicts():
        out.write(render(verdict) + "\n")
    for number, problem in reader.problems:
        err.write(f"line {number}: {problem}\n")
    return UNREAD if reader.problems else 0


def render(verdict: Verdict) -> str:
    """A verdict as one line of JSON."""
    until = None if verdict.until is None else times.text(verdict.until)
    return orjson.dumps(
        {
            "allowed": verdict.allowed,
            "basis": verdict.basis,
            "reasons": verdict.reasons,
            "conditions": verdict.conditions,
            "until": until,
        }
    ).decode()


def _denied(reason: Reason) -> Verdict:
    return Verdict(allowed=False, basis=None, reasons=(reason,), conditions=(), until=None)


class _Reader:
    """Lines into a scenario, questions, and problems."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._scenario = Scenario()
        #: A question, or the verdict of one that cannot be asked.
        self._asks: list[Ask | Verdict] = []
        self._line = 0
        self.problems: list[tuple[int, str]] = []

    def verdicts(self) -> list[Verdict]:
        """One per question, in order."""
        asked = [ask for ask in self._asks if isinstance(ask, Ask)]
        answers = iter(self._scenario.answers(asked))
        return [next(answers) if isinstance(ask, Ask) else ask for ask in self._asks]

    def read(self, number: int, line: bytes) -> None:
        """Take one line; what is wrong with it goes to `problems`."""
        self._line = number
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:
            self._problem("not JSON: give one object per line")
            return
        event = entry.get("event") if isinstance(entry, dict) else None
        ask = entry.get("ask") if isinstance(entry, dict) else None
        if isinstance(event, dict) and ask is None:
            self._event(event, entry.get("accepted"))
        elif ask is not None and event is None:
            self._asks.append(self._ask(ask))
        else:
            self._problem('give {"event": {…}} or {"ask": {…}}')

    def _problem(self, text: str) -> None:
        self.problems.append((self._line, text))

    def _event(self, event: Mapping[str, Any], said: object) -> None:
        accepted = self._moment(event.get("time") if said is None else said)
        try:
            fact = events.parse(event, self._now if accepted is None else accepted)
        except events.Refused as refused:
            self._problem(str(refused))
            return
        except events.Quarantine as held:
            self._problem(f"{held}; the contact is denied until somebody reads it")
            fact = held.fact
        if accepted is None:
            self._problem(f"accepted: {_TIME_REMEDY}")
            if not fact.denies:
                return
        self._scenario.take(fact)

    def _moment(self, said: object) -> int | None:
        """The time said, now where none is; None where it is unreadable."""
        if said is None:
            return self._now
        try:
            return times.parse(said) if isinstance(said, str) else None
        except ValueError:
            return None

    def _ask(self, ask: object) -> Ask | Verdict:
        """The question; denied at once where it cannot be asked."""
        if not isinstance(ask, dict):
            self._problem("ask: give an object")
            return _denied(Reason.NO_BASIS)
        at = self._moment(ask.get("at"))
        wrong = _wrong(ask) or (None if at is not None else f"at: {_TIME_REMEDY}")
        if wrong or at is None:
            self._problem(f"ask.{wrong}")
            return _denied(Reason.NO_BASIS)
        if ask["channel"] not in CHANNEL_BIT:
            return _denied(Reason.CHANNEL_MISMATCH)
        if ask["purpose"] not in PURPOSE_BIT:
            return _denied(Reason.NO_BASIS)
        query = Query(
            Channel(ask["channel"]), Purpose(ask["purpose"]), ask.get("brand"), ask.get("product")
        )
        return Ask(ask["controller"], self._contact(ask), query, at, ask.get("campaign"))

    def _contact(self, ask: Mapping[str, Any]) -> Contact:
        found = ask["contact"]
        try:
            return contact.normalise(str(found.get("kind")), found.get("value"))
        except contact.Unreadable as error:
            self._problem(f"ask.{error}")
            return events.as_received(ask)


def _wrong(ask: Mapping[str, Any]) -> str | None:
    """What is missing or of the wrong type in a question, and the remedy."""
    for name in ("controller", "channel", "purpose"):
        if not isinstance(ask.get(name), str) or not ask[name]:
            return f"{name}: give a non-empty text"
    for name in ("brand", "product", "campaign"):
        if not isinstance(ask.get(name), str | None):
            return f"{name}: give a text, or leave it out"
    if not isinstance(ask.get("contact"), dict):
        return 'contact: give {"kind": …, "value": …}'
    return None
