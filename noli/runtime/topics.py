"""The topic catalogue against a broker: what is missing, what may be changed, what must not.

Pure: `noli.runtime.broker` looks and acts. A change that could break the order of a contact, or
lose a record, is refused with the reason; a person has to do it knowingly, outside of this tool.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

#: Catalogue field → broker property. What no field sets is set all the same: a broker-wide default
#: of a few gigabytes would silently drop objections.
_PROPERTIES: Final = {
    "cleanup": "cleanup.policy",
    "retention_ms": "retention.ms",
    "min_compaction_lag_ms": "min.compaction.lag.ms",
    "segment_bytes": "segment.bytes",
    "segment_ms": "segment.ms",
    "timestamp_type": "message.timestamp.type",
}
_FIELDS: Final = frozenset({*_PROPERTIES, "doc", "key", "pii", "owner", "records", "partitions"})
_FOR_EVER: Final = "-1"


class CatalogueError(Exception):
    """`schemas/topics.toml` is wrong; names topic and field."""


class Action(StrEnum):
    """What is to be done about one difference."""

    SAME = "same"
    CREATE = "create"
    ALTER = "alter"
    NOTE = "note"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as the catalogue has it, capped to what `brokers` brokers can hold."""

    name: str
    partitions: int
    replication: int
    keyed: bool
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Observed:
    """A topic as the broker has it; `configs` holds at least the properties of `Wanted`."""

    partitions: int
    replication: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the plan for the topic or subject `name`; `configs`: what ALTER would set."""

    name: str
    action: Action
    what: str
    why: str = ""
    configs: Mapping[str, str] = field(default_factory=dict)


def wanted(catalogue: Mapping[str, Any], brokers: int) -> list[Wanted]:
    """Every topic of the catalogue, for a cluster of `brokers`. Raises `CatalogueError`."""
    defaults = catalogue["defaults"]
    replication = min(int(defaults["replication"]), max(brokers, 1))
    in_sync = min(int(defaults["min_insync_replicas"]), replication)
    return [
        Wanted(
            name,
            int(entry.get("partitions", defaults["partitions"])),
            replication,
            entry["key"] != "none",
            {**_configs(entry), "min.insync.replicas": str(in_sync)},
        )
        for name, entry in _checked(catalogue["topics"]).items()
    ]


def _checked(topics: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    for name, entry in topics.items():
        if unknown := set(entry) - _FIELDS:
            raise CatalogueError(f"{name}: unknown field {', '.join(sorted(unknown))}")
        if entry.get("cleanup") not in {"delete", "compact"}:
            raise CatalogueError(f"{name}: cleanup must be 'delete' or 'compact'")
        if entry["cleanup"] == "delete" and "retention_ms" not in entry:
            raise CatalogueError(f"{name}: retention_ms is missing (-1 keeps records for ever)")
        if not entry.get("key"):
            raise CatalogueError(f"{name}: key is missing ('none' where records have no key)")
    return topics


def _configs(entry: Mapping[str, Any]) -> dict[str, str]:
    named = {key: str(entry[item]) for item, key in _PROPERTIES.items() if item in entry}
    if entry["cleanup"] == "delete":
        named["retention.bytes"] = _FOR_EVER
    return named


def plan(
    topics: list[Wanted], observed: Mapping[str, Observed], brokers: int, desired_replication: int
) -> list[Step]:
    """What it takes to make the broker as wanted, in catalogue order; unknown topics are left."""
    steps: list[Step] = []
    for topic in topics:
        found = observed.get(topic.name)
        steps += [_create(topic)] if found is None else _compare(topic, found)
    if brokers < desired_replication:
        steps.append(
            Step(
                "*",
                Action.NOTE,
                f"replication {brokers} instead of {desired_replication}",
                f"there are only {brokers} broker(s): the loss of a disk loses data",
            )
        )
    return steps


def refused(steps: list[Step]) -> bool:
    """Whether the plan holds a change that is not made."""
    return any(step.action is Action.REFUSE for step in steps)


def _create(topic: Wanted) -> Step:
    shown = ", ".join(f"{key}={value}" for key, value in sorted(topic.configs.items()))
    what = f"{topic.partitions} partitions, {topic.replication} copies, {shown}"
    return Step(topic.name, Action.CREATE, what, configs=topic.configs)


def _compare(topic: Wanted, found: Observed) -> list[Step]:
    steps = [*_partitions(topic, found), *_replication(topic, found)]
    for key, value in topic.configs.items():
        # More in-sync copies than there are copies would make the topic refuse every write.
        target = str(min(int(value), found.replication)) if key == "min.insync.replicas" else value
        if (current := found.configs.get(key, "")) != target:
            steps.append(_config(topic.name, key, current, target))
    return steps or [Step(topic.name, Action.SAME, f"{found.partitions} partitions")]


def _partitions(topic: Wanted, found: Observed) -> list[Step]:
    if found.partitions == topic.partitions:
        return []
    what = f"partitions {found.partitions} → {topic.partitions}"
    if topic.keyed:
        why = (
            "the key decides the partition: with another number a contact's next objection "
            "would stand beside its past, unordered. Copy into a new topic instead"
        )
    elif found.partitions > topic.partitions:
        why = "Kafka cannot take partitions away. Copy into a new topic instead"
    else:
        why = (
            "not made by this tool; kafka-topics --alter --partitions does it for a topic "
            "without keys"
        )
    return [Step(topic.name, Action.REFUSE, what, why)]


def _replication(topic: Wanted, found: Observed) -> list[Step]:
    if found.replication >= topic.replication:
        return []
    return [
        Step(
            topic.name,
            Action.NOTE,
            f"copies {found.replication}, wanted {topic.replication}",
            "kafka-reassign-partitions adds copies",
        )
    ]


def _config(name: str, key: str, current: str, target: str) -> Step:
    what = f"{key} {current or 'unset'} → {target}"
    if reason := _REFUSALS[key](current, target):
        return Step(name, Action.REFUSE, what, reason)
    return Step(name, Action.ALTER, what, configs={key: target})


def _cleanup_changes(_current: str, target: str) -> str:
    if target == "compact":
        return (
            "compaction would drop every but the last record of a contact, and records "
            "without a key. Copy into a new topic instead"
        )
    return (
        "deletion by age would drop contacts that nobody touched lately: they would be "
        "unknown. Copy into a new topic instead"
    )


def _keeps_less(current: str, target: str) -> str:
    if _limit(target) >= _limit(current):
        return ""
    return (
        "older records would be deleted at once, and with them objections or their evidence. "
        "If that is meant: kafka-configs --alter, after an export"
    )


def _compacts_earlier(current: str, target: str) -> str:
    if float(target) >= float(current or 0):
        return ""
    return "a reader that lags would miss claims and could follow an owner that lost its partition"


def _fewer_copies(current: str, target: str) -> str:
    if float(target) >= float(current or 0):
        return ""
    return "a 2xx would be given for an objection on fewer disks than before"


def _safe(_current: str, _target: str) -> str:
    """Records that stand stay as they are; newer ones follow the other setting."""
    return ""


def _limit(value: str) -> float:
    """Retention in ms or bytes; -1 is no limit."""
    return math.inf if value in {"", _FOR_EVER} else float(value)


#: Why a change of this property from → to is not made; empty: it is safe.
_REFUSALS: Final[Mapping[str, Callable[[str, str], str]]] = {
    "cleanup.policy": _cleanup_changes,
    "retention.ms": _keeps_less,
    "retention.bytes": _keeps_less,
    "min.compaction.lag.ms": _compacts_earlier,
    "min.insync.replicas": _fewer_copies,
    "message.timestamp.type": _safe,
    "segment.bytes": _safe,
    "segment.ms": _safe,
}
