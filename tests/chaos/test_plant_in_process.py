"""A planted bug for which two workers must be held by the hand: both run in the test's process."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from noli.runtime import lanes
from noli.runtime.lanes import Lanes
from noli.runtime.outputs import Outputs
from noli.runtime.part import Part, Record
from noli.runtime.processor import Processor
from schemas.codec import leading_long
from schemas.names import CLAIM_KEY
from tests.chaos.plants import stale_owner_commits
from tests.support.log import Stored
from tests.support.loop import KEY, Counting, Lab, Running, count_of, keyed, laboratory, reached
from tests.support.stack import Stack
from tests.support.step import CODEC

PATIENCE_S: Final = 30.0
#: What the plant changes.
PLANTED: Final = (
    (Lanes, "join"), (Processor, "_tick"), (Outputs, "ends_at"), (lanes, "consumer_config"),
)  # fmt: skip


@dataclass
class Dying(Counting):
    """Halts at its first record until told, and then dies without having done anything."""

    halted: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def process(self, record: Record, part: Part) -> None:
        """Die."""
        self.halted.set()
        assert self.go_on.wait(PATIENCE_S)
        raise ValueError("dies here")


@dataclass
class Second(Counting):
    """Does its second record only once the other owner is at it too."""

    other: threading.Event = field(default_factory=threading.Event)

    def process(self, record: Record, part: Part) -> None:
        """Wait, then count."""
        assert not self.seen or self.other.wait(PATIENCE_S)
        super().process(record, part)


@pytest.fixture
def lab(stack: Stack, tmp_path: Path) -> Lab:
    """Fresh topics for one test."""
    return laboratory(stack, tmp_path)


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize("planted", [False, True], ids=["sound", "stale_owner_commits"])
def test_an_owner_that_lost_its_partition_commits_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, planted: bool
) -> None:
    """The newer owner dies at a record; its successor reads it again, if the older commits not."""
    decisions = lab.reader(lab.topology.decisions)
    with monkeypatch.context() as bug:
        for owner, name in PLANTED:
            bug.setattr(owner, name, getattr(owner, name))  # put back at the end, whatever happens
        if planted:
            stale_owner_commits.plant()
        lab.feed(0, 1)
        step = Dying()
        late = Second(other=step.halted)
        older = Running(Processor(lab.settings(), lab.topology, CODEC, late))
        decisions.until(reached(1))
        newer = Running(Processor(lab.settings("disk-1"), lab.topology, CODEC, step))
        decisions.until(lambda found: len(keyed(found, CLAIM_KEY)) == 2)
        lab.feed(0, 1)
        assert step.halted.wait(PATIENCE_S)
        older.join()  # found out by the newer claim, or fenced by the group
        assert older.error is not None
        step.go_on.set()
        newer.join()
    # What was done before is told again at a takeover: only a higher count is news.
    whole = 2 if planted else 3
    with lab.worker(Counting(), disk="disk-2"):
        lab.feed(1, 1)
        decisions.until(lambda found: max(owned(found), default=0) >= whole)
    assert (owned(decisions.records)[-1] == 3) is not planted


def owned(records: list[Stored]) -> list[int]:
    """The counts that readers believe, in order."""
    epoch, found = 0, []
    for record in records:
        written = leading_long(record.value or b"")
        if record.key == CLAIM_KEY:
            epoch = max(epoch, written)
        elif record.key == KEY and written >= epoch:
            found.append(count_of(record.value))
    return found
