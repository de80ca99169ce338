"""`noli register load`: from the register's answer to chunks, in two passes.

The first pass reads the whole file, keeps its bad lines and decides whether it may be loaded at
all. The second makes the facts and sends them. Nothing is sent before the first is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console

from connectors.sources.rpo import events as rpo
from connectors.sources.rpo.answer import Answer, Bad
from connectors.sources.rpo.events import Asked, Listing
from noli.cli.bulk import Desk
from noli.cli.problem import ProblemError
from noli.cli.registering import contacts
from noli.cli.sending.line import Line
from noli.cli.sending.rejects import Rejects
from noli.domain import events
from noli.domain.token import Tokens
from noli.loading.loader import Row
from noli.loading.press import Press
from noli.runtime.clock import now_ms

#: Bad lines told on the screen; all of them are in the rejects file.
_TOLD: Final = 20
#: Beyond this share of bad lines it is the wrong file or the wrong dialect.
_BAD_MAX: Final = 0.5


@dataclass(slots=True)
class Survey:
    """What a file holds: lines understood, refused, taken with a doubt; the last line's number."""

    good: int = 0
    refused: int = 0
    doubted: int = 0
    last: int = 0

    @property
    def clean(self) -> bool:
        """Whether every line said something without a doubt."""
        return not self.refused and not self.doubted

    @property
    def plausible(self) -> bool:
        """Whether it can be the file it should be."""
        return self.refused <= _BAD_MAX * (self.good + self.refused)


def surveyed(answer: Answer, rejects: Rejects, screen: Console) -> Survey:
    """The first pass. Bad lines go to `rejects`, the first of them to the screen too."""
    found = Survey()
    try:
        for row in answer.rows():
            found.last = row.line
            if not isinstance(row, Bad):
                found.good += 1
                continue
            found.doubted += row.taken
            found.refused += not row.taken
            rejects.add(Line(row.line, [row.text], []), row.cause)
            if rejects.count <= _TOLD:
                screen.print(f"line {row.line}: {row.cause}", style="yellow", soft_wrap=True)
    finally:
        rejects.close()
    if rejects.count > _TOLD:
        screen.print(f"… and {rejects.count - _TOLD:,} lines more", style="yellow")
    return found


def check(survey: Survey, file: Path, rejects: Rejects, *, force: bool) -> None:
    """Refuse a file that is plainly something else. Raises `ProblemError`: nothing was sent."""
    if not survey.good:
        raise ProblemError(
            f"{file.name}: not one line can be read; nothing was loaded",
            "correct --dialect, --listed and --clear" + _see(rejects),
        )
    if not survey.plausible and not force:
        lines = survey.good + survey.refused
        raise ProblemError(
            f"{file.name}: {survey.refused:,} of {lines:,} lines are bad; nothing was loaded",
            "correct --dialect, --listed and --clear, or load the good lines with --force"
            + _see(rejects),
        )


def _see(rejects: Rejects) -> str:
    return f" (causes: {rejects.path})" if rejects.count else ""


@dataclass(slots=True)
class Standing:
    """What states say before the load: listings by token, and every token known, if asked for."""

    listings: dict[bytes, Listing] = field(default_factory=dict)
    known: set[bytes] | None = None


def standing(desk: Desk, asked: Asked, *, known_only: bool) -> Standing:
    """Read the states of the controller's contacts. Raises `ProblemError`."""
    found = Standing(known=set() if known_only else None)
    for each in contacts.known(desk):
        if each.state.controller != asked.controller:
            continue
        listing = rpo.listing(each.state, asked.register)
        if listing is not None:
            found.listings[each.key] = listing
        if found.known is not None:
            found.known.add(each.key)
    return found


def rows(desk: Desk, answer: Answer, asked: Asked, before: Standing, after: int) -> Iterator[Row]:
    """The second pass: the facts of every good line behind line `after`."""
    unknown = Listing()
    tokens = Tokens(desk.pepper, asked.controller, asked.register.kind)
    press = Press(desk.codec, desk.pepper)
    for row in answer.rows():
        if isinstance(row, Bad) or row.line <= after:
            continue
        key = tokens.of(row.contact.value.encode())
        if before.known is not None and key not in before.known:
            continue
        said = rpo.events(row, before.listings.get(key, unknown), asked)
        items = [item for each in said if (item := press.item(each["type"], each))]
        if len(items) == len(said):
            yield Row(row.line, (), items)
        else:
            yield Row(row.line, [events.parse(each, now_ms()) for each in said])
