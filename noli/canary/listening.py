"""`noli.receipts`, followed for what they say of canaries. For one thread."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from noli.canary.probe import Probe
from noli.runtime.clock import now_ms
from noli.runtime.settings import Settings
from noli.runtime.tail import BATCH, Reading, Stood
from schemas.codec import Codec, UnreadableError
from schemas.names import RECEIPTS

#: How long one look waits for news, in seconds.
_WAIT_S: Final = 0.2
_RECEIPT: Final = "noli.Receipt"


class Heard(NamedTuple):
    """A record of an application, by its place. `receipt` None: nothing of canaries is in it."""

    app: str
    place: tuple[int, int]
    receipt: Mapping[str, Any] | None


class Listener:
    """Reads on from where every probe with something under way stands, else from the end."""

    def __init__(self, settings: Settings, codec: Codec, since: Mapping[int, int]) -> None:
        """`since`: as `starts` gives. Raises `LogUnavailable` when the brokers do not answer."""
        self._codec = codec
        #: By application, the tokens of the canaries that it is told of.
        self.tokens: Mapping[str, Collection[bytes]] = {}
        self._reading = Reading(settings, RECEIPTS, since)
        #: Every receipt written before this was read, ms.
        self.read_until = 0

    def listen(self) -> list[Heard]:
        """What is new."""
        began = now_ms()
        records = self._reading.take_patiently(_WAIT_S)
        heard = list(self._heard(records))
        if len(records) < BATCH:
            self.read_until = began
        return heard

    def close(self) -> None:
        """Leave the brokers."""
        self._reading.close()

    def _heard(self, records: Iterable[Stood]) -> Iterator[Heard]:
        for stood in records:
            if stood.key is not None:
                app = stood.key.decode(errors="replace")
                place = (stood.partition, stood.offset)
                yield Heard(app, place, self._receipt(app, stood.value))

    def _receipt(self, app: str, value: bytes | None) -> Mapping[str, Any] | None:
        """Decoded only where a canary's token is in it: most receipts are of people."""
        if value is None or not any(token in value for token in self.tokens.get(app, ())):
            return None
        try:
            name, datum = self._codec.decode(value)
        except UnreadableError:
            return None
        return datum if name == _RECEIPT else None


def starts(probes: Iterable[Probe]) -> dict[int, int]:
    """By partition, the first receipt that somebody's flight may still wait for."""
    found: dict[int, int] = {}
    for one in probes:
        if one.flying and one.origin is not None:
            partition, offset = one.origin
            found[partition] = min(offset, found.get(partition, offset))
    return found
