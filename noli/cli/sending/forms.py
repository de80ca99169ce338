"""Rows that are alike but for their contact, id, time and references: known again by their form.

A form is what all other cells say. Met a few times, its mould is learnt (`noli.loading.mould`);
from then on such a row costs a tenth. Whatever is not sure goes the long way (`Columns.line`),
which also knows why a row is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from noli.cli.sending.instants import Moment, Moments
from noli.cli.sending.line import Defaults, Event
from noli.cli.sending.sheet import CONTACTS, KNOWN, Columns
from noli.domain import details
from noli.domain.canary import is_canary
from noli.domain.channel import Kind
from noli.domain.contact import Contact, Unreadable, normalise
from noli.domain.events import Quarantine, Refused
from noli.domain.token import Pepper
from noli.loading import mould
from noli.loading.loader import Unsuited
from noli.loading.mould import Blanks, Mould, plain
from noli.runtime.chunks import Item
from schemas.codec import Codec

#: Texts of a row that only it has. A cell of any other column is part of the form.
_OWN: Final = frozenset(
    {"evidence_ref", "consent_id", "sale_id", "contract_id", "proof", "campaign"}
)
#: Times a form comes before it is learnt: that costs about as much as four rows.
_LEARN_AT: Final = 3
#: Forms remembered; then all are forgotten.
_KEPT: Final = 4_096


class Met(NamedTuple):
    """A row of a known form: it will be taken."""

    mould: Mould
    blanks: Blanks
    contact: Contact
    time: Moment

    def item(self, accepted: bytes) -> Item:
        """Its key and bytes; `accepted` is an Avro long."""
        return self.mould.cast(
            self.blanks, self.contact, self.time.long if self.time.text else accepted, accepted
        )


_UNSAID: Final = Moment(None, b"")
_Key = tuple[object, ...]
_Marks = tuple[_Key, int, Blanks, Moment]


class Forms:
    """The forms of one table, learnt as its rows come."""

    def __init__(self, columns: Columns, defaults: Defaults, codec: Codec, pepper: Pepper) -> None:
        self._columns = columns
        self._defaults = defaults
        self._codec = codec
        self._pepper = pepper
        meanings = columns.meanings
        self._width = len(meanings)
        found = {name: at for at, name in enumerate(meanings)}
        self._points = [at for at, name in enumerate(meanings) if name in {*CONTACTS, "value"}]
        self._id, self._time, self._type = (found.get(name) for name in ("id", "time", "type"))
        self._own = [found[name] for name in sorted(_OWN & found.keys())]
        blank = {*self._points, self._id, self._time, *self._own}
        rest = [at for at, name in enumerate(meanings) if name in KNOWN and at not in blank]
        self._rest: Any = itemgetter(*rest) if rest else lambda _: ()
        self._moulds: dict[object, Mould | None] = {}
        self._sightings: dict[object, int] = {}
        self._moments = Moments(defaults.zone)

    def met(self, number: int, row: Sequence[str]) -> Met | None:
        """The row, where its form is known and it is plain; else it goes the long way."""
        marks = self._marks(number, row)
        if marks is None:
            return None
        key, point, blanks, time = marks
        try:
            known = self._moulds[key]
        except KeyError:
            known = self._sighted(key, row, blanks, point)
        if known is None:
            return None
        try:
            found = normalise(known.kind, blanks.contact)
        except Unreadable:
            return None
        if found.value != blanks.contact and not plain(found.value):
            return None
        if is_canary(found):
            return None  # nobody's: the long way says so
        return Met(known, blanks, found, time)

    def _marks(self, number: int, row: Sequence[str]) -> _Marks | None:
        """A row's form, the place of its contact, and what only it has; None if it is not plain."""
        if len(row) != self._width:
            return None
        contact, point = self._contact(row)
        name = row[self._id].strip() if self._id is not None else ""
        said = row[self._time].strip() if self._time is not None else ""
        own: list[str] = []
        key: _Key = (self._rest(row), point, not said)
        if self._own:
            cells = [row[at].strip() for at in self._own]
            own = [cell for cell in cells if cell]
            key = (*key, *[not cell for cell in cells])
        if not plain(contact) or (name and not plain(name)) or not all(map(plain, own)):
            return None
        time = self._moments.read(said, self._denying, row) if said else _UNSAID
        if time is None:
            return None
        blanks = Blanks(name or self._defaults.id(number), contact, time.text, own)
        return key, point, blanks, time

    def _contact(self, row: Sequence[str]) -> tuple[str, int]:
        """The contact of a row that has exactly one, and its place; else an empty text."""
        contact, point = "", 0
        for at in self._points:
            if cell := row[at].strip():
                if contact:
                    return "", 0
                contact, point = cell, at
        return contact, point

    def _denying(self, row: Sequence[str]) -> bool:
        """As `Columns.line` decides it, which reads a denial's times as late as they can be."""
        said = row[self._type].strip() if self._type is not None else ""
        said = said or self._defaults.type or ""
        return (said if said.startswith("noli.") else f"noli.{said}.v1") in details.DENYING_TYPES

    def _sighted(self, key: object, row: Sequence[str], blanks: Blanks, point: int) -> Mould | None:
        """Learn a form that comes again and again."""
        if len(self._sightings) >= _KEPT:
            self._sightings.clear()
            self._moulds.clear()
        met = self._sightings[key] = self._sightings.get(key, 0) + 1
        if met < _LEARN_AT:
            return None
        found = self._moulds[key] = self._learnt(row, blanks, point)
        return found

    def _learnt(self, row: Sequence[str], real: Blanks, point: int) -> Mould | None:
        own = [at for at in self._own if row[at].strip()]

        def fill(blanks: Blanks) -> Event:
            cells = [*row]
            for at, text in zip(own, blanks.own, strict=True):
                cells[at] = text
            cells[point] = blanks.contact
            if blanks.time is not None and self._time is not None:
                cells[self._time] = blanks.time
            return self._event(cells, blanks.id)

        if fill(real) != self._event(row, real.id):
            return None
        meaning = self._columns.meanings[point]
        for kind in [kind for kind in Kind if kind == meaning] or [*Kind]:
            try:
                found = mould.learnt(self._codec, self._pepper, kind, fill, real)
            except (Refused, Quarantine, Unsuited):
                continue
            if found is not None:
                return found
        return None

    def _event(self, row: Sequence[str], name: str) -> Event:
        """What the long way makes of a row with one contact."""
        (event,) = self._columns.line(0, row, self._defaults).events
        return {**event, "id": name}
