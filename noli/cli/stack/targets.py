"""`DATA/prometheus-targets.json`: what Prometheus is to scrape, for its `file_sd_configs`.

Every process that is meant to run, not only those that do: one that is down must show as down.
"""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import urlsplit

from noli.cli.stack.files import write_atomic
from noli.cli.stack.plan import Plan

FILE: Final = "prometheus-targets.json"


def write(plan: Plan) -> None:
    """Replace the file."""
    found = [
        {"targets": [urlsplit(plan.url(worker.name)).netloc], "labels": {"process": worker.name}}
        for worker in plan.workers
    ]
    write_atomic(plan.data / FILE, json.dumps(found, indent=2) + "\n")


def forget(plan: Plan) -> None:
    """A stack that was stopped is not down."""
    (plan.data / FILE).unlink(missing_ok=True)
