"""The pipeline under chance: real processors, connectors' parts and replica on an in-memory log.

People say things, early, late and twice; processes die at any point, stand still and wake up
replaced, are not heard; applications are down or put back to a backup. Whatever happens, nothing is
lifted, nothing lies; healed, every accepted objection dominates everywhere, and what is held is the
fold of the log.

Small here, and the same each time. NOLI_SIM=5000 runs as many examples, others each time; what
fails is printed as the calls that repeat it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.sim.machine import Pipeline
from tests.support.sim.plants import PLANTS, Plant

MANY: Final = int(os.environ.get("NOLI_SIM") or 0)
#: Examples of a machine that finds nothing, here; those it needs at most to find a planted bug, by
#: chance that is new each time more than by the one that is kept.
FEW: Final = 25
ENOUGH: Final = 20_000 if MANY else 400
STEPS: Final = 40
#: Planted bugs that are found within seconds; the others are looked for where time is given.
QUICK: Final = 4


def profile(examples: int, *phases: Phase) -> settings:
    """How much, and whether a failure is made small."""
    return settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=not MANY,
        database=None,
        report_multiple_bugs=False,
        phases=phases or (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def check_pipeline(how: settings) -> None:
    """Run examples; raises what the machine's invariants, or its end, raised."""
    run_state_machine_as_test(Pipeline, settings=how)


@pytest.mark.rule("OBJECT")
@pytest.mark.timeout(7200 if MANY else 240)
def test_no_chance_lifts_an_objection_or_loses_one() -> None:
    """At any time no lift, no lie, no regression; at rest all is where the log says it is."""
    check_pipeline(profile(MANY or FEW))


@pytest.mark.timeout(1800 if MANY else 240)
@pytest.mark.parametrize("plant", PLANTS if MANY else PLANTS[:QUICK], ids=lambda p: p.__name__)
def test_a_planted_bug_is_found(plant: Callable[[], Plant]) -> None:
    """A machine that misses a bug somebody put there proves nothing of those nobody did."""
    with plant(), pytest.raises(AssertionError, match="violations in"):
        check_pipeline(profile(ENOUGH, Phase.generate))
