"""REGISTER (D.P.R. 26/2022): what an answer says about a contact, as events.

An answer without dates knows that a number is listed, not since when; a citizen who renews looks
the same. So: a listing already known keeps its date, a new one is of the answer's moment, which
voids every consent up to then. Every outcome is a check (REGISTER-FRESH).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

from connectors.sources.rpo.answer import Answered
from connectors.sources.rpo.dialect import Register
from noli.domain import times
from noli.domain.state import Latest, State

SOURCE: Final = "/register/rpo"
_NEVER: Final = -(1 << 62)
_MARKS: Final = {
    Register.PHONE: (Latest.PHONE_LISTED, Latest.PHONE_DELISTED),
    Register.POST: (Latest.POST_LISTED, Latest.POST_DELISTED),
}

Event = dict[str, Any]
#: Moments of an answer are few: its own, and days.
_text: Final = lru_cache(4096)(times.text)


class Listing(NamedTuple):
    """When a contact was last listed and delisted, as its state has it (ms)."""

    listed: int = _NEVER
    delisted: int = _NEVER

    @property
    def stands(self) -> bool:
        """Whether it is on the register as far as we know; a tie is."""
        return self.listed > _NEVER and self.listed >= self.delisted


def listing(state: State, register: Register) -> Listing | None:
    """The listing in a state, None where the register never named the contact."""
    on, off = _MARKS[register]
    found = {mark.what: mark.at for mark in state.marks if mark.what in {on, off}}
    return Listing(found.get(on, _NEVER), found.get(off, _NEVER)) if found else None


class Asked(NamedTuple):
    """What an answer is about. `ref` names the file as evidence; `as_of` in ms."""

    controller: str
    register: Register
    as_of: int
    ref: str


def events(row: Answered, known: Listing, asked: Asked) -> list[Event]:
    """The events of one line. A second run over the same answer makes the same ones."""
    if not row.listed:
        # Ours of an earlier run already stands in the state: it is said again, as it was.
        ours = known.delisted == asked.as_of
        gone = ours or (known.stands and known.listed < asked.as_of)
        return [_event("delisted" if gone else "verified", row, asked, asked.as_of)]
    if row.since is not None:
        checked = _event("verified", row, asked, asked.as_of)
        return [_event("listed", row, asked, row.since), checked]
    kept = known.stands and known.listed != asked.as_of
    return [_event("verified" if kept else "listed", row, asked, asked.as_of)]


def _event(what: str, row: Answered, asked: Asked, at: int) -> Event:
    """An event that another run over the same answer makes again, to the byte."""
    return {
        "specversion": "1.0",
        "id": f"{asked.ref}.{row.line}.{what}",
        "source": SOURCE,
        "type": f"noli.register.{what}.v1",
        "time": _text(at),
        "data": {
            "controller": asked.controller,
            "contact": {"kind": row.contact.kind.value, "value": row.contact.value},
            "register": asked.register.value,
            "evidence": {"ref": asked.ref},
        },
    }
