"""`noli.alignment` as it stands: for commands, and for whoever asks once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noli.runtime import scan
from noli.wire import alignment
from schemas.codec import UnreadableError
from schemas.names import ALIGNMENT

if TYPE_CHECKING:
    from noli.runtime.settings import Settings
    from noli.wire.alignment import Aligned
    from schemas.codec import Codec


def look(settings: Settings, codec: Codec) -> dict[str, Aligned]:
    """By application, as published last; all together under `*`. Raises `LogUnavailable`."""
    found: dict[str, Aligned] = {}
    for partition in range(scan.partitions(settings, [ALIGNMENT])[ALIGNMENT]):
        for record in scan.records(settings, {ALIGNMENT: partition}):
            take(found, codec, record.value)
    return found


def take(found: dict[str, Aligned], codec: Codec, value: bytes | None) -> Aligned | None:
    """Enter one record of the topic, in its order; what it says, unless it says nothing new."""
    try:
        name, datum = codec.decode(value)
    except UnreadableError:
        return None  # a newer build's: as of when is not known any more than before
    if name != "noli.Alignment":
        return None
    one = alignment.read(datum)
    if not alignment.newer(found.get(one.app), one):
        return None
    found[one.app] = one
    return one
