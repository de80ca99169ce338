"""Reading one field of an event's `data`: a value of the right type, or a refusal that says how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from noli.domain import channel

Data = Mapping[str, Any]

#: Longest text taken for an id, a brand, a reference; characters.
TEXT_MAX: Final = 500
#: Most brands, channels or categories in one event.
LIST_MAX: Final = 100


class Refused(Exception):
    """An event that is not taken: nothing is stored. Names the field and the remedy, no values."""

    def __init__(self, field: str, remedy: str) -> None:
        super().__init__(f"{field}: {remedy}")
        self.field = field
        self.remedy = remedy


def text(data: Data, name: str, path: str = "data.") -> str:
    """A non-empty text."""
    found = optional_text(data, name, path)
    if not found:
        raise Refused(path + name, "give a non-empty text")
    return found


def optional_text(data: Data, name: str, path: str = "data.") -> str | None:
    """A text, or None where it is absent or empty."""
    found = data.get(name)
    if found is None or found == "":
        return None
    if not isinstance(found, str) or len(found) > TEXT_MAX:
        raise Refused(path + name, f"give a text of at most {TEXT_MAX} characters")
    return found


def flag(data: Data, name: str, path: str = "data.") -> bool:
    """True or false; absent is false."""
    found = data.get(name, False)
    if not isinstance(found, bool):
        raise Refused(path + name, "give true or false")
    return found


def stated_flag(data: Data, name: str) -> bool:
    """True or false, which must be said."""
    if not isinstance(data.get(name), bool):
        raise Refused(f"data.{name}", "give true or false")
    return bool(data[name])


def texts(data: Data, name: str, path: str = "data.") -> tuple[str, ...]:
    """A list of non-empty texts without repeats, in order; absent is empty."""
    found = data.get(name)
    if found is None:
        return ()
    if not isinstance(found, list) or len(found) > LIST_MAX:
        raise Refused(path + name, f"give a list of at most {LIST_MAX} texts")
    for item in found:
        if not isinstance(item, str) or not item or len(item) > TEXT_MAX:
            raise Refused(path + name, f"give non-empty texts of at most {TEXT_MAX} characters")
    return tuple(dict.fromkeys(found))


def granted_channels(data: Data) -> int:
    """Channels of a grant: at least one, all known, none by `*`: a grant is never widened."""
    named = texts(data, "channels")
    if not named:
        raise Refused("data.channels", "name at least one channel")
    if not channel.CHANNEL_BIT.keys() >= set(named):
        raise Refused(
            "data.channels", f"name each channel, out of: {' '.join(channel.CHANNEL_BIT)}"
        )
    return sum(channel.CHANNEL_BIT[name] for name in named)


def denied(data: Data, name: str, known: Iterable[str]) -> tuple[str, ...] | None:
    """Symbols of a denial as named: `()` when none is named, None when it must be read as all.

    A denial is never refused for its scope: a single text is read as a list of one, and `*`, an
    unknown symbol or another shape widen it to all.
    """
    found = data.get(name)
    if found is None or found == []:
        return ()
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list):
        return None
    symbols = set(known)
    if not all(isinstance(item, str) and item in symbols for item in found):
        return None
    return tuple(found)
