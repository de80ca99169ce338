"""Which column of a sheet, or member of an object, holds the contact."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from noli.domain.channel import Kind
from noli.replica.scrub.asked import ADDED, Asked, Unusable

#: Separators looked for in the header.
DELIMITERS: Final = ",;\t"

#: What exports call the contact, by kind: lower case, blanks as `_`.
NAMES: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.PHONE: (
        "phone", "telefono", "cellulare", "numero", "number", "mobile", "tel", "telephone",
        "phone_number", "msisdn", "cell", "cellphone", "mobile_phone", "numero_telefono",
        "numero_di_telefono", "numero_cellulare",
    ),
    Kind.EMAIL: ("email", "e-mail", "mail", "e_mail", "email_address", "indirizzo_email"),
    Kind.POSTAL: ("postal", "indirizzo", "address", "postal_address", "indirizzo_postale"),
}  # fmt: skip
#: What they call it where a column `kind` beside it may say what it is.
ANY_KIND: Final = ("value", "contact", "contatto")
KIND: Final = "kind"


class Layout(NamedTuple):
    """How a sheet is built: `contact` and `kind` are the places of columns, from 0."""

    delimiter: str
    width: int
    contact: int
    kind: int | None


def plain(name: str) -> str:
    """A column's name as it is compared."""
    return name.strip().lower().replace(" ", "_")


def lay_out(header: str, asked: Asked) -> tuple[Layout, list[str]]:
    """A sheet's layout and the columns to keep, from its first row. Raises `Unusable`."""
    delimiter = max(DELIMITERS, key=lambda each: len(_cells(header, each)))
    cells = _cells(header, delimiter)
    contact, kind = places(cells, asked)
    return Layout(delimiter, len(cells), contact, kind), cells


def places(columns: Sequence[str], asked: Asked) -> tuple[int, int | None]:
    """Where the contact and its kind stand, from 0. Raises `Unusable`."""
    names = [plain(column) for column in columns]
    clash = [name for name in ADDED if name in names]
    if clash:
        raise Unusable(
            f"the list has columns of ours already: {', '.join(clash)}",
            "scrub the original again, or remove them: an old verdict must not stand beside a new",
        )
    contact = _place(names, asked)
    return contact, names.index(KIND) if KIND in names and names[contact] in ANY_KIND else None


def _cells(header: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(header, newline=""), delimiter=delimiter), [])


def _place(names: Sequence[str], asked: Asked) -> int:
    if asked.column is not None:
        wanted = plain(asked.column)
        if names.count(wanted) != 1:
            many = "is not a column" if wanted not in names else "is the name of several columns"
            # The row is not repeated: see below.
            raise Unusable(f"`{asked.column}` {many} of the list", "name one of its first row")
        return names.index(wanted)
    kind = asked.kind()
    for known in (NAMES[kind], ANY_KIND):
        found = [place for place, name in enumerate(names) if name in known]
        if len(found) > 1:
            several = ", ".join(names[place] for place in found)
            raise Unusable(f"several columns could hold the contact: {several}", _REMEDY)
        if found:
            return found[0]
    # The first row is not repeated: in a list without a header it holds a contact.
    raise Unusable(
        f"no column of the first row is known to hold the {kind}",
        f"the list needs a header, e.g. `{NAMES[kind][0]}`; or {_REMEDY}",
    )


_REMEDY: Final = "name the one that does as `column`"
