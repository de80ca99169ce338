"""Every plant: the process it sits in, what happens on its stage, and what catches it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.chaos.plants import scenarios as on
from tests.chaos.plants.stage import OVERDUE, UNHEEDED, Stage
from tests.support.checker import Category


@dataclass(frozen=True)
class Plant:
    """`caught` by these checks at least; `mended`: what is done on the stage afterwards."""

    name: str
    process: str
    scenario: Callable[[Stage], None]
    caught: tuple[str, ...]
    mended: Callable[[Stage], None] | None = None

    @property
    def bug(self) -> str:
        """What is wrong with it, in a sentence."""
        doc = importlib.import_module(f"tests.chaos.plants.{self.name}").__doc__ or ""
        return " ".join(doc.split())


PLANTS: Final = (
    Plant(
        "commit_before_delivery", "suppress", on.killed_while_deciding, (Category.UNSEEN, UNHEEDED)
    ),
    Plant(
        "owed_untold", "suppress", on.killed_between_state_and_decision,
        (Category.UNSEEN, UNHEEDED),
    ),
    Plant("drop_one_in_five", "suppress", on.objections, (Category.UNSEEN, UNHEEDED)),
    Plant("reset_to_latest", "suppress", on.a_backlog, (Category.UNSEEN, UNHEEDED)),
    Plant("swallowed_delivery_error", "suppress", on.refused_by_the_broker,
          (Category.UNSEEN, UNHEEDED)),
    Plant("tie_for_consent", "suppress", on.ties, (Category.UNSEEN, UNHEEDED)),
    Plant("tombstone_for_allowed", "suppress", on.consents_after_objections,
          (Category.WITHHELD, UNHEEDED), on.told_again),
    Plant("quarantine_without_denial", "suppress", on.garbage, (Category.UNSEEN, UNHEEDED)),
    Plant("timer_lost", "suppress", on.a_moment_passes, (OVERDUE,)),
    Plant("late_left_behind", "suppress", on.a_late_record, (Category.OVERWRITTEN,)),
    Plant("followers_do_not_wait", "suppress", on.a_past_is_folded_anew, (Category.LIFTED,)),
    Plant("crc32_partitioner", "intake", on.another_producer, (Category.LIFTED, UNHEEDED)),
    Plant("wrong_pepper", "intake", on.another_producer, (UNHEEDED,)),
    Plant("receipt_before_apply", "connectors", on.an_application_fails_once,
          (Category.UNAPPLIED,)),
    Plant("dropped_on_500", "connectors", on.an_application_fails_once,
          (Category.UNSEEN, Category.UNSETTLED, UNHEEDED)),
    Plant("older_change_wins", "connectors", on.an_application_is_down,
          (Category.UNSETTLED, UNHEEDED)),
    Plant("lying_watermark", "connectors", on.an_application_is_down_for_objections,
          (Category.LYING,)),
    Plant("backfill_gap", "connectors", on.an_application_forgets, (UNHEEDED,)),
    Plant("zombie_believed", "connectors", on.a_zombie, (Category.LIFTED,)),
    Plant("lease_ignored", "lookup", on.a_copy_grows_old, (Category.STALE,)),
)  # fmt: skip
