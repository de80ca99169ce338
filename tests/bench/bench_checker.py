"""What the history checker costs: a run of 100,000 operations, by their number.

    python -m pytest tests/bench/bench_checker.py -s

One process, no broker. It prints; nothing is asserted of time.
"""

from __future__ import annotations

import time
from typing import Final

import pytest

from tests.support.checked import healthy
from tests.support.checker import check

#: Steps of a player; about 1.4 operations each.
STEPS: Final = (18_000, 36_000, 72_000)
CONTACTS: Final = 5_000


@pytest.mark.timeout(600)
def test_what_a_check_costs() -> None:
    """Time and records of histories of rising size; it grows with them, not with their square."""
    print("\n| operations | arrivals | seconds | µs an operation |")
    for steps in STEPS:
        history = healthy(1, steps, CONTACTS, restores=0)
        began = time.perf_counter()
        report = check(history)
        took = time.perf_counter() - began
        assert report.findings == [], str(report)
        size, arrivals = len(history.ops), len(history.arrivals)
        print(f"| {size:,} | {arrivals:,} | {took:.2f} | {took / size * 1e6:.0f} |")
