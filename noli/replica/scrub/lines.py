"""NDJSON rows: one object a line, its members kept to the letter, ours after them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import msgspec

from noli.replica.gate import Gate
from noli.replica.scrub.asked import ADDED, Asked, Flaw, Scrubbed, Tally
from noli.replica.scrub.columns import ANY_KIND, KIND, NAMES, plain
from noli.replica.scrub.cut import Piece
from noli.replica.scrub.verdicts import Given, Said, Verdicts

_ROW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])

#: Where a line that is no object is kept.
UNPARSABLE: Final = "unparsable"

_NO_OBJECT: Final = "not a JSON object; write one a line"

Members = dict[str, msgspec.Raw]


class Lines:
    """Scrubs pieces of one file of objects."""

    def __init__(self, gate: Gate, asked: Asked) -> None:
        self._kind = str(asked.kind())
        self._column = None if asked.column is None else plain(asked.column)
        self._names = NAMES[asked.kind()]
        self._verdicts = Verdicts(gate, asked, _members)

    def scrub(self, piece: Piece) -> Scrubbed:
        """The piece with its verdicts."""
        tally, flaws = Tally(), list[Flaw]()
        openings: list[bytes] = []
        given: list[Given] = []
        lines: list[int] = []
        for line, text in enumerate(piece.data.split(b"\n"), piece.first):
            row = text.strip()
            if row:
                opening, contact = self._row(row)
                openings.append(opening)
                given.append(contact)
                lines.append(line)
        beside = self._verdicts.beside(given, lines, tally, flaws)
        out = b"".join(
            opening + members.encode() + b"}\n"
            for opening, members in zip(openings, beside, strict=True)
        )
        return Scrubbed(out, tally, flaws)

    def _row(self, row: bytes) -> tuple[bytes, Given]:
        """The line up to our members, and its contact."""
        try:
            members = _ROW.decode(row)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            kept = json.dumps({UNPARSABLE: row.decode(errors="backslashreplace")})
            return kept[:-1].encode() + b",", _NO_OBJECT
        if not members.keys().isdisjoint(ADDED):
            kept_members = {name: raw for name, raw in members.items() if name not in ADDED}
            row = msgspec.json.encode(kept_members)
            members = kept_members
        return row[:-1] + (b"," if members else b""), self._contact(members)

    def _contact(self, members: Members) -> Given:
        names = {plain(name): name for name in members}
        known: Sequence[str] = self._names if self._column is None else (self._column,)
        found = [names[name] for name in known if name in names]
        if not found and self._column is None:
            found = [names[name] for name in ANY_KIND if name in names]
        if len(found) != 1:
            several = f"several members could hold the contact: {', '.join(map(plain, found))}"
            return several if found else f"no member holds the contact; give `{known[0]}`"
        value = msgspec.json.decode(members[found[0]])
        kind = self._kind
        if isinstance(value, dict):
            kind, value = value.get("kind", kind), value.get("value")
        elif plain(found[0]) in ANY_KIND and KIND in names:
            kind = msgspec.json.decode(members[names[KIND]])
        if not isinstance(value, str) or not isinstance(kind, str):
            return f"{plain(found[0])}: give a text"
        return kind, value


def _members(said: Said) -> str:
    """Our members as JSON, without the braces."""
    values = (said.allowed, said.reasons, said.conditions, said.until_text())
    return json.dumps(dict(zip(ADDED, values, strict=True)), separators=(",", ":"))[1:-1]
