"""How the register's files are laid out: a small TOML file, ours or the user's."""

from __future__ import annotations

import codecs
import tomllib
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from noli.domain.channel import Kind

_SUFFIX: Final = ".toml"


class Register(StrEnum):
    """Which of the two lists."""

    PHONE = "phone"
    POST = "post"

    @property
    def kind(self) -> Kind:
        """What stands on it."""
        return Kind.PHONE if self == Register.PHONE else Kind.POSTAL


class DialectError(Exception):
    """A dialect that cannot be used, or that a file does not keep to; names what to write."""


Column = Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=1)]


class Dialect(BaseModel):
    """One layout. A column is its number from 1 or, with a header, its name there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: Annotated[str, Field(description="What it is, and where that is known from.")]
    lists: Annotated[tuple[Register, ...], Field(min_length=1, description="Which lists.")]
    encoding: Annotated[str, Field(description="Of both files.")] = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    line_ending: Annotated[Literal["lf", "crlf"], Field(description="Of the request.")] = "crlf"
    header: Annotated[bool, Field(description="Whether the first line names columns.")] = False
    number_form: Annotated[
        Literal["national", "e164"],
        Field(description="national: 0… or 3…, without +39. Addresses are written as they are."),
    ] = "national"
    number: Annotated[Column, Field(description="Column of the number or address.")] = 1
    flag: Annotated[Column, Field(description="Column of the outcome.")] = 2
    listed: Annotated[tuple[str, ...], Field(description="Outcomes: on the register.")] = ()
    clear: Annotated[tuple[str, ...], Field(description="Outcomes: not on it.")] = ()
    date: Annotated[Column | None, Field(description="Column of the listing's date.")] = None
    date_format: Annotated[str, Field(description="strptime's, e.g. %d/%m/%Y.")] = "%Y-%m-%d"
    zone: Annotated[str, Field(description="Where the dates are those of.")] = "Europe/Rome"
    zip: Annotated[bool, Field(description="Whether the request is zipped.")] = False

    @model_validator(mode="after")
    def _usable(self) -> Self:
        """Columns can be found, encoding and zone exist."""
        named = [c for c in (self.number, self.flag, self.date) if isinstance(c, str)]
        if named and not self.header:
            raise ValueError("header: a column named by its text needs `header = true`")
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError("encoding: name one that Python knows, e.g. utf-8") from None
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise ValueError("zone: name one that exists, e.g. Europe/Rome") from None
        return self

    def saying(self, listed: list[str], clear: list[str]) -> Dialect:
        """The dialect with these outcomes, where any are given. Raises `DialectError`.

        Never guessed: read the wrong way round, an answer would have everybody called who objected.
        """
        said = self.model_copy(
            update={
                "listed": _plain(listed or self.listed),
                "clear": _plain(clear or self.clear),
            }
        )
        if not said.listed or not said.clear:
            raise DialectError(
                "which outcome means listed is not known: say both, from the operator's manual,"
                " e.g. --listed 1 --clear 0"
            )
        if {*said.listed} & {*said.clear}:
            raise DialectError("an outcome cannot mean listed and clear: give different ones")
        return said


def _plain(outcomes: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({outcome.strip().lower() for outcome in outcomes}))


def names() -> list[str]:
    """The dialects that come with Noli."""
    return sorted(
        entry.name.removesuffix(_SUFFIX) for entry in _ours().iterdir() if _is_toml(entry.name)
    )


def load(name: str, register: Register | None) -> Dialect:
    """The dialect of that name, or in the file of that path. Raises `DialectError`.

    `register`: the list it is wanted for, if any.
    """
    if name in names():
        text = _ours().joinpath(name + _SUFFIX).read_text("utf-8")
    else:
        try:
            text = Path(name).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            known = ", ".join(names())
            raise DialectError(
                f"there is no dialect {name}: name one of {known}, or a file"
            ) from None
    try:
        found = Dialect.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DialectError(f"dialect {name}: not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DialectError(f"dialect {name}: {place or 'fields'}: {first['msg']}") from None
    if register is not None and register not in found.lists:
        raise DialectError(f"dialect {name} is not for the {register} list")
    return found


def _is_toml(name: str) -> bool:
    return name.endswith(_SUFFIX)


def _ours() -> resources.abc.Traversable:
    return resources.files("connectors.sources.rpo").joinpath("dialects")
