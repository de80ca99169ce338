"""Events that we make ourselves, alike but for id, contact and time: cast by moulds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, Final

from noli.domain import times
from noli.domain.channel import Kind
from noli.domain.contact import Unreadable, normalise
from noli.domain.token import Pepper
from noli.loading.mould import Blanks, Mould, learnt, plain
from noli.runtime.chunks import Item
from noli.runtime.clock import now_ms
from schemas.codec import Codec
from schemas.template import long_bytes

#: Times a form comes before it is learnt: that costs about as much as four events.
_LEARN_AT: Final = 3


class Accepted:
    """When a load takes what it sends, as an Avro long: made once a millisecond."""

    __slots__ = ("_long", "_ms")

    def __init__(self) -> None:
        self._ms = 0
        self._long = long_bytes(0)

    def now(self) -> bytes:
        """Of now."""
        ms = now_ms()
        if ms != self._ms:
            self._ms, self._long = ms, long_bytes(ms)
        return self._long


class Press:
    """Casts events by the forms that their maker names: events of one form differ in these three.

    Whether they do is proved for the events met first; the maker answers for the others.
    """

    def __init__(self, codec: Codec, pepper: Pepper) -> None:
        self._codec = codec
        self._pepper = pepper
        self._moulds: dict[Hashable, Mould | None] = {}
        self._sightings: dict[Hashable, int] = {}
        self._accepted = Accepted()

    def item(self, form: Hashable, event: Mapping[str, Any]) -> Item | None:
        """Key and bytes of an event; None for one that goes the long way."""
        contact = event["data"]["contact"]
        blanks = Blanks(event["id"], contact["value"], event["time"])
        if not plain(blanks.id) or not plain(blanks.contact):
            return None
        try:
            mould = self._moulds[form]
        except KeyError:
            mould = self._sighted(form, event, blanks)
        if mould is None:
            return None
        try:
            found = normalise(mould.kind, blanks.contact)
            time = _long(event["time"])
        except (Unreadable, ValueError):
            return None
        if not plain(found.value):
            return None
        return mould.cast(blanks, found, time, self._accepted.now())

    def _sighted(self, form: Hashable, event: Mapping[str, Any], real: Blanks) -> Mould | None:
        met = self._sightings[form] = self._sightings.get(form, 0) + 1
        if met < _LEARN_AT:
            return None
        data = event["data"]

        def fill(blanks: Blanks) -> Mapping[str, Any]:
            contact = {**data["contact"], "value": blanks.contact}
            named = {"id": blanks.id, "time": blanks.time}
            return {**event, **named, "data": {**data, "contact": contact}}

        kind = Kind(data["contact"]["kind"])
        found = self._moulds[form] = learnt(self._codec, self._pepper, kind, fill, real)
        return found


@lru_cache(4096)
def _long(text: str) -> bytes:
    """An RFC 3339 time as an Avro long; those of a load are few. Raises ValueError."""
    return long_bytes(times.parse(text))
