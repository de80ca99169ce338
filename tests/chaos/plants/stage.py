"""What a plant is tried on: people of its own, processes with and without it, and the checks.

Everybody shares one broker, so what is checked is what was said and held of this stage's people.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from noli.runtime import broker
from noli.runtime.clock import now_ms
from schemas.names import DECISIONS
from tests.support.blackbox import Contact, until
from tests.support.checker import History, check
from tests.support.dwellers import CHANNEL, Dwellers
from tests.support.household import APP, BOUNDS, LANES, Household

#: Beside the checker's categories: what somebody said does not hold where it should.
UNHEEDED: Final = "unheeded"
#: A decision that stands although its own moment has passed.
OVERDUE: Final = "overdue"
#: So long a moment may have passed before its verdict is decided again, in ms.
_GRACE_MS: Final = 2_000
#: Seconds until nothing moves any more; a plant may keep things moving for ever.
_REST_S: Final = 6.0


@dataclass
class Stage:
    """One try. `plant` empty: the same with nothing planted."""

    house: Household
    plant: str
    people: Dwellers
    began: int = field(default_factory=now_ms)

    @contextmanager
    def planted(self, name: str, **env: str) -> Iterator[None]:
        """Within the block the process has the bug, and `env`; afterwards it is healthy again."""
        if not self.plant and not env:
            yield
            return
        self.house.kill(name)
        self.house.start(name, self.plant, **env)
        try:
            yield
        finally:
            self.house.kill(name)
            self.house.start(name)

    @contextmanager
    def down(self, name: str) -> Iterator[None]:
        """Nobody does its work."""
        self.house.kill(name)
        yield

    def consented(self, people: int) -> list[Contact]:
        """So many who may be contacted, everywhere."""
        return self.people.consented(people)

    def ask(self, contact: Contact) -> bool:
        """What the lookup says; told to the checker."""
        pair = [CHANNEL, "marketing", "*"]
        name = self.house.token(contact).hex()
        with self.house.recorder.operation("asker", "ask", contact=name, pair=pair) as op:
            (allowed,) = self.house.client.allowed([contact], CHANNEL)
            op.ok(allowed=allowed)
        return allowed

    def rest(self, deadline_s: float = _REST_S) -> bool:
        """Wait until the lanes are done and the application has caught up; whether they are."""
        try:
            until(lambda: self._done("noli.suppress", LANES), "lanes done", deadline_s)
            ends = self._ends((DECISIONS,))
            group = f"noli.app.{APP}"
            until(lambda: self._done(group, (DECISIONS,), ends), "application done", deadline_s)
        except AssertionError:
            return False
        return True

    def found(self) -> set[str]:
        """What the checks say: categories of the checker, and ours."""
        history = self.history()
        report = check(history, BOUNDS)
        print(report)
        found = {finding.category.value for finding in report.findings}
        names = {self.house.token(who).hex() for who in self._everybody()}
        newest = {each.contact: each for each in history.decided if each.contact in names}
        changes = self.house.next_changes()
        if any(
            (change := changes.get((name or "", each.version))) and change < now_ms() - _GRACE_MS
            for name, each in newest.items()
        ):
            found.add(OVERDUE)
        if self.house.unheeded(self.people):
            found.add(UNHEEDED)
        return found

    def history(self) -> History:
        """What was observed of these people, since the stage began."""
        whole, names = self.house.history(), {self.house.token(p).hex() for p in self._everybody()}
        log = [each for each in whole.log if each.fact.contact in names]
        events = {each.fact.id for each in log} | self.people.events
        return replace(
            whole,
            ops=[op for op in whole.ops if self._is_ours(op.value, events, names)],
            log=log,
            decided=[each for each in whole.decided if each.contact in {None, *names}],
            arrivals=[each for each in whole.arrivals if getattr(each, "contact", None) in names],
            receipts=[each for each in whole.receipts if each.contact in names],
            aligned=[each for each in whole.aligned if each.at >= self.began],
            dumps={
                app: {name: held for name, held in dump.items() if name in names}
                for app, dump in whole.dumps.items()
            },
        )

    def _is_ours(self, value: object, events: set[str], names: set[str]) -> bool:
        assert isinstance(value, dict)
        return value.get("event") in events or value.get("contact") in names

    def _everybody(self) -> list[Contact]:
        return [*self.people.allowed, *self.people.denied, *self.people.others]

    def _ends(self, topics: tuple[str, ...]) -> dict[str, dict[int, int]]:
        client = broker.admin(self.house.settings())
        return broker.ends(client, broker.look(client), topics)

    def _done(
        self, group: str, topics: tuple[str, ...], ends: dict[str, dict[int, int]] | None = None
    ) -> bool:
        ends = self._ends(topics) if ends is None else ends
        settings = self.house.settings()
        done = {topic: broker.committed(settings, group, topic) for topic in topics}
        return all(
            done[topic].get(number, 0) >= end
            for topic in topics
            for number, end in ends[topic].items()
        )
