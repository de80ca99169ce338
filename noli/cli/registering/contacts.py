"""The states that the register's commands look at, with a bar while they are read."""

from __future__ import annotations

from collections.abc import Iterator

from noli.cli import bulk
from noli.cli.bulk import Desk
from noli.cli.problem import ProblemError
from noli.domain.canary import is_canary
from noli.evidence import states
from noli.evidence.states import Known
from noli.runtime import scan


def known(desk: Desk) -> Iterator[Known]:
    """Every contact's states, of every controller; no canary's. Raises `ProblemError`."""
    with bulk.bar(desk.screen, "") as progress:
        task = progress.add_task("reading the states", total=None)

        def passed(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        try:
            for found in states.read(desk.settings, desk.codec, passed):
                if not is_canary(found.state.contact):
                    yield found
        except scan.LogUnavailable as error:
            raise ProblemError(str(error), "start the stack: `noli up`") from error
