"""Topics and schemas together: one plan, one apply, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from noli.cli.problem import ProblemError
from noli.runtime import broker, subjects, topics
from noli.runtime.registry import RegistryUnavailable
from noli.runtime.settings import Settings
from noli.runtime.topics import Action, Step
from schemas.codec import topic_catalogue

#: A broker that is there answers at once; nobody wants to wait longer for a wrong address.
_ANSWER_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, and how large the cluster is."""

    topics: list[Step]
    schemas: list[Step]
    brokers: int

    @property
    def refused(self) -> list[Step]:
        """The steps for which nothing at all is applied."""
        return [step for step in (*self.topics, *self.schemas) if step.action is Action.REFUSE]

    @property
    def pending(self) -> int:
        """How many changes an apply would make."""
        changes = {Action.CREATE, Action.ALTER}
        return sum(step.action in changes for step in (*self.topics, *self.schemas))


def plan(settings: Settings) -> Plan:
    """Compare catalogue and records with broker and registry. Raises `ProblemError`."""
    try:
        client = broker.admin(settings)
        cluster = broker.look(client, _ANSWER_S)
        catalogue = topic_catalogue()
        wanted = topics.wanted(catalogue, cluster.brokers)
        seen = broker.observe(client, cluster, [topic.name for topic in wanted])
        steps = topics.plan(wanted, seen, cluster.brokers, catalogue["defaults"]["replication"])
        with subjects.connected(settings.registry) as registry:
            return Plan(steps, subjects.plan(registry), cluster.brokers)
    except (broker.BrokerUnavailable, RegistryUnavailable, topics.CatalogueError) as error:
        raise _problem(error, settings) from error


def apply(settings: Settings) -> Plan:
    """Carry out the plan and return it. Raises `ProblemError`, also for a refused change."""
    planned = plan(settings)
    if planned.refused:
        first = planned.refused[0]
        raise ProblemError(
            f"{first.name}: {first.what} is refused: {first.why}",
            "nothing was changed; `noli topics plan` shows the whole comparison. A local stack of "
            "another version is left behind with another --data",
        )
    try:
        client = broker.admin(settings)
        wanted = topics.wanted(topic_catalogue(), planned.brokers)
        new = {step.name for step in planned.topics if step.action is Action.CREATE}
        broker.create(client, [topic for topic in wanted if topic.name in new])
        broker.alter(client, planned.topics)
        with subjects.connected(settings.registry) as registry:
            subjects.apply(registry, planned.schemas)
    except (broker.BrokerUnavailable, RegistryUnavailable) as error:
        raise _problem(error, settings) from error
    return planned


def _problem(error: Exception, settings: Settings) -> ProblemError:
    if isinstance(error, broker.BrokerUnavailable):
        return ProblemError(
            f"no Kafka at {settings.kafka}: {error}",
            "start the stack (`noli up`), name its directory (--data), or set NOLI_KAFKA",
        )
    if isinstance(error, RegistryUnavailable):
        return ProblemError(
            str(error), "start the stack (`noli up`), or set NOLI_REGISTRY to the Confluent API"
        )
    return ProblemError(f"schemas/topics.toml: {error}", "correct that field")
