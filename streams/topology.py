"""Every processor and its topics, in one table."""

from __future__ import annotations

from typing import Final

from noli.runtime.part import Topology

#: What concerns every contact; one copy on each partition.
CONTROL: Final = "noli.control"

#: Intents in, verdicts out. Objections lead: a backlog of grants never stands before one.
SUPPRESS: Final = Topology(
    group="noli.suppress",
    lanes=("noli.objections", CONTROL, "noli.grants"),
    state="noli.state",
    decisions="noli.decisions",
)

#: Where what could not be read is kept for a human.
QUARANTINE: Final = "noli.quarantine"
