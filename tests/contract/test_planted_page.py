"""The page of planted bugs tells what is planted, and everything that is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.chaos.plants.catalogue import PLANTS
from tests.chaos.plants.page import PAGE, page

ROOT: Final = Path(__file__).parents[2]
#: In the folder, and no bug of ours: what else may be wrong around a process.
NO_BUG: Final = frozenset({"another_group", "clock_behind", "ledgered"})
#: Tried in the test's own process.
BY_HAND: Final = frozenset({"stale_owner_commits"})


def test_the_page_of_planted_bugs_is_what_the_code_says() -> None:
    """Written again, it equals what is committed."""
    committed = (ROOT / PAGE).read_text("utf-8")
    assert committed == page(), "run `python -m tests.chaos.plants.page` and commit"


def test_every_plant_is_tried() -> None:
    """Whoever adds a bug to the folder adds it to the catalogue."""
    found = {
        path.stem
        for path in (ROOT / "tests" / "chaos" / "plants").glob("*.py")
        if "\ndef plant() -> None:" in path.read_text("utf-8")
    }
    assert found == {plant.name for plant in PLANTS} | NO_BUG | BY_HAND
    assert all(plant.bug and plant.caught for plant in PLANTS)
