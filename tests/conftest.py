"""What every room of the tests shares: Hypothesis profiles, and the rule that a skip says why."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

#: `ci` is what counts: the same examples on every run, few enough for two slow cores.
settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
#: `dev` looks for what nobody thought of, and prints how to repeat it.
settings.register_profile("dev", max_examples=300, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

#: Fixtures that more than one room uses.
pytest_plugins = [
    "tests.support.postgres",
    "tests.support.servers",
    "tests.support.stack",
    "tests.support.mailman",
    "tests.support.ses",
    "tests.support.tryton",
    # After what they import: pytest rewrites the assertions of a plugin before anybody imports it.
    "tests.support.kamailio",
    "tests.support.kannel",
    "tests.support.postfix",
]
