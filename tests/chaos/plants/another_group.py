"""No bug of ours: an operator starts a second worker under a group name of its own."""

from __future__ import annotations

from dataclasses import replace

from streams import topology


def plant() -> None:
    """It owns every partition too, as far as it knows."""
    topology.SUPPRESS = replace(topology.SUPPRESS, group="noli.suppress.other")  # type: ignore[misc]
