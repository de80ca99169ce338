"""Bugs planted on purpose are caught by the ordinary checks, which find nothing without them.

A check that never failed proves nothing. One broker for all; each plant has people of its own, and
the same is played with nothing planted. What caught what is docs/reference/planted-bugs.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.chaos.plants.catalogue import PLANTS, Plant
from tests.chaos.plants.stage import Stage
from tests.support.dwellers import Dwellers
from tests.support.household import Household, built, furnished


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dwellers]:
    """A household in which everything works, and the numbers of who may live there."""
    with built(tmp_path_factory.mktemp("plants")) as house:
        furnished(house)
        people = Dwellers(house)
        people.live(2)
        house.settled(people)
        yield people


def stage(town: Dwellers, plant: str) -> Stage:
    """For people of its own."""
    house: Household = town.house
    return Stage(house, plant, Dwellers(house, town.numbers))


@pytest.mark.rule("OBJECT")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("plant", PLANTS, ids=[plant.name for plant in PLANTS])
def test_a_planted_bug_is_caught(town: Dwellers, plant: Plant) -> None:
    """With the bug the checks say so; the same without it is right."""
    sound = stage(town, "")
    plant.scenario(sound)
    sound.house.settled(sound.people)
    assert sound.rest()
    assert sound.found() == set(), "found without any bug"
    bugged = stage(town, plant.name)
    plant.scenario(bugged)
    caught = bugged.found()
    assert caught >= set(plant.caught), f"not caught by all of these: {caught}"
    if plant.mended is not None:
        plant.mended(replace(bugged, plant=""))
