"""Compaction at once: short segments, little lag; and whether the cleaner has really been there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from noli.runtime.kafka import admin
from noli.runtime.settings import Settings
from tests.support.blackbox import until
from tests.support.logreader import LogReader
from tests.support.recorded import Raw

#: What makes the cleaner take a topic soon after anything was written twice.
_HURRY: Final = {
    "segment.ms": "500",
    # Nobody looks for longer than that before a reader who looks all the time has seen it.
    "min.compaction.lag.ms": "2000",
    "max.compaction.lag.ms": "2000",
    "min.cleanable.dirty.ratio": "0.001",
}
#: Of the broker: how long the cleaner sleeps.
_BACKOFF: Final = {"log.cleaner.backoff.ms": "200"}
_TIMEOUT_S: Final = 15.0
_PATIENCE_S: Final = 60.0


def hurry(settings: Settings, topics: Sequence[str]) -> None:
    """From now on these topics are compacted as fast as the broker can."""
    wanted = [_resource(ResourceType.TOPIC, topic, _HURRY) for topic in topics]
    wanted.append(_resource(ResourceType.BROKER, "1", _BACKOFF))
    client = admin(settings)
    for done in client.incremental_alter_configs(wanted, request_timeout=_TIMEOUT_S).values():
        done.result()


def compacted(
    settings: Settings, topic: str, before: Sequence[Raw], stir: Callable[[], object]
) -> list[Raw]:
    """What stands in a topic from its beginning, once of `before` no older value is left.

    Of each contact that had several records among `before`, only the newest may still stand.
    `stir` writes something: only a segment that is full, or old at a write, can be compacted.
    """
    newest = {(raw.partition, raw.key): raw.offset for raw in before}
    replaced = {(r.partition, r.offset) for r in before if newest[r.partition, r.key] > r.offset}
    assert replaced, "nothing was written twice: there is nothing to compact"
    found: list[Raw] = []

    def clean() -> bool:
        stir()
        reader = LogReader(settings, [topic])
        try:
            reader.read()
            found[:] = reader.of(topic)
        finally:
            reader.close()
        return not any((raw.partition, raw.offset) in replaced for raw in found)

    until(clean, f"{topic} compacted", _PATIENCE_S)
    return found


def _resource(kind: ResourceType, name: str, properties: dict[str, str]) -> ConfigResource:
    entries = [
        ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        for key, value in properties.items()
    ]
    return ConfigResource(kind, name, incremental_configs=entries)
