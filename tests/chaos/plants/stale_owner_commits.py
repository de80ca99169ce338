"""A worker asks no group what it owns, and commits before it looks who else writes there."""

from __future__ import annotations

from typing import Any

from confluent_kafka import TopicPartition

from noli.runtime import kafka, lanes
from noli.runtime.lanes import Lanes
from noli.runtime.outputs import Outputs
from noli.runtime.processor import Processor
from noli.runtime.settings import Settings

#: Of the one partition of its topics.
_ONLY = 0


def plant() -> None:
    """Both fences down: the group's generation, and the gap between its own records."""
    whole, real = Processor._tick, kafka.consumer_config

    def join(self: Lanes) -> None:
        place = [TopicPartition(self.topics[0], _ONLY)]
        self._find_starts(place)
        start = self._starts[self.topics[0], _ONLY]
        self._lead.assign([TopicPartition(self.topics[0], _ONLY, start)])
        self._lead.pause(place)
        self.gained = {_ONLY}

    def tick(self: Processor) -> None:
        self._lanes.commit(wait=True)
        whole(self)

    def ends_at(_self: Outputs, _topic: str, _partition: int, _end: int) -> None:
        """Look at nothing."""

    def config(settings: Settings, group: str | None, **over: Any) -> dict[str, Any]:  # noqa: ANN401 - as it is
        over.pop("group_instance_id", None)
        return real(settings, group, **over)

    lanes.consumer_config = config  # type: ignore[attr-defined]  # imported there by name
    Lanes.join = join  # type: ignore[method-assign]
    Processor._tick = tick  # type: ignore[method-assign]
    setattr(Outputs, "ends_at", ends_at)  # noqa: B010 - of other names
