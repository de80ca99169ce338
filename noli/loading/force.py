"""When a load is in force: its chunks processed, their verdicts delivered, offsets committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from noli.runtime import broker
from noli.runtime.clock import steady
from noli.runtime.settings import Settings
from schemas.names import BULK

#: Between two looks at committed offsets, which nothing announces, in seconds.
_LOOK_S: Final = 0.2

#: Told how many chunks the worker still has before it.
Left = Callable[[int], object]


def awaited(
    settings: Settings, group: str, ends: Mapping[int, int], patience_s: float, left: Left
) -> bool:
    """Whether `group` has come to `ends` (offset per partition of noli.bulk).

    False once it made no progress for `patience_s` seconds; a broker that does not answer for so
    long raises `broker.BrokerUnavailable`.
    """
    client = broker.admin(settings)
    least = None
    moved = steady()
    while True:
        late = steady() - moved > patience_s
        try:
            known = broker.committed(settings, group, BULK)
        except broker.BrokerUnavailable:
            # A group's coordinator moves, or loads: asked again, it answers.
            if late:
                raise
            client.poll(_LOOK_S)
            continue
        behind = sum(max(0, end - known.get(place, 0)) for place, end in ends.items())
        left(behind)
        if not behind:
            return True
        if least is None or behind < least:
            least, moved = behind, steady()
        elif late:
            return False
        client.poll(_LOOK_S)
