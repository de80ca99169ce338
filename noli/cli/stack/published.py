"""What a running stack tells others on disk: pids for `down`, endpoints for clients."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from noli.cli.stack import credentials, endpoints, records, targets
from noli.cli.stack.plan import Plan


class Published:
    """Keeps DATA/processes.json and DATA/endpoints.json current."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._identities: dict[str, records.Identity] = {}
        self._endpoints: endpoints.Endpoints | None = None
        self.processes({})

    def processes(self, pids: Mapping[str, int]) -> None:
        """Write the files when a pid changed."""
        known = {name: one.pid for name, one in self._identities.items()}
        if known == {records.SUPERVISOR: os.getpid(), **pids}:
            return
        found = {
            name: records.identify(pid)
            for name, pid in {records.SUPERVISOR: os.getpid(), **pids}.items()
        }
        self._identities = {name: one for name, one in found.items() if one is not None}
        records.write(self._plan.data, self._identities)
        self._write_endpoints()

    def serve(self, kafka: str, registry: str) -> None:
        """From now on clients are told where everything is."""
        plan = self._plan
        self._endpoints = endpoints.Endpoints(
            intake=plan.url("intake"),
            lookup=plan.url("lookup"),
            status=plan.url("status"),
            kafka=kafka,
            registry=registry,
            api_key=credentials.api_key(plan.data),
            processes={},
        )
        self._write_endpoints()
        targets.write(plan)

    def applications(self, plan: Plan) -> None:
        """Applications came or went."""
        self._plan = plan
        targets.write(plan)

    def forget(self) -> None:
        """Nothing runs any more."""
        targets.forget(self._plan)
        records.forget(self._plan.data)
        endpoints.forget(self._plan.data)

    def _write_endpoints(self) -> None:
        if self._endpoints is None:
            return
        workers = {
            name: one.pid
            for name, one in self._identities.items()
            if name not in {records.SUPERVISOR, *records.GROUND}
        }
        replace(self._endpoints, processes=workers).write(self._plan.data)
