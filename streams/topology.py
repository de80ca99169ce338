"""Every processor and its topics, in one table."""

from __future__ import annotations

from typing import Final

from noli.runtime.processor import Topology

#: Intents in, verdicts out. Objections lead: a backlog of grants never stands before one.
SUPPRESS: Final = Topology(
    group="noli.suppress",
    lanes=("noli.objections", "noli.grants"),
    state="noli.state",
    decisions="noli.decisions",
)

#: Where what could not be read is kept for a human.
QUARANTINE: Final = "noli.quarantine"
