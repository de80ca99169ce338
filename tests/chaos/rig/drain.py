"""Waiting until nothing is under way any more: every lane folded, every decision confirmed."""

from __future__ import annotations

from collections.abc import Sequence

from noli.runtime import broker
from noli.runtime.settings import Settings
from schemas.names import DECISIONS
from streams.topology import PARTIES, SUPPRESS
from tests.support.blackbox import until


def drain(settings: Settings, apps: Sequence[str], deadline_s: float) -> None:
    """Block until it is so. In the order of the flow: what is folded first makes work for the next.

    The end of the decisions moves with every beacon, so it is taken once, when all is folded.
    """
    client = broker.admin(settings)
    for topology in (PARTIES, SUPPRESS):

        def folded(group: str = topology.group, lanes: Sequence[str] = topology.lanes) -> bool:
            try:
                ends = broker.ends(client, broker.look(client), lanes)
                return all(
                    _reached(broker.committed(settings, group, lane), ends[lane]) for lane in lanes
                )
            except broker.BrokerUnavailable:
                return False

        until(folded, f"{topology.group} has folded everything", deadline_s)
    goal = broker.ends(client, broker.look(client), [DECISIONS])[DECISIONS]

    def confirmed() -> bool:
        try:
            return all(
                _reached(broker.committed(settings, f"noli.app.{app}", DECISIONS), goal)
                for app in apps
            )
        except broker.BrokerUnavailable:
            return False

    until(confirmed, "every application confirmed everything", deadline_s)


def _reached(done: dict[int, int], ends: dict[int, int]) -> bool:
    return all(done.get(number, 0) >= end for number, end in ends.items())
