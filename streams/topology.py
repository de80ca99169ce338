"""Every processor and its topics, in one table."""

from __future__ import annotations

from typing import Final

from noli.runtime.part import Topology

#: What can only deny has a lane of its own, so that nothing delays it; GRANTS is the other.
OBJECTIONS: Final = "noli.objections"
GRANTS: Final = "noli.grants"

#: What concerns every contact; one copy on each partition.
CONTROL: Final = "noli.control"

#: Intents in, verdicts out. Objections lead: a backlog of grants never stands before one.
SUPPRESS: Final = Topology(
    group="noli.suppress",
    lanes=(OBJECTIONS, CONTROL, GRANTS),
    state="noli.state",
    decisions="noli.decisions",
)

#: Facts of a person in, one fact per linked contact out, to the lanes of suppress.
PARTIES: Final = Topology(group="noli.parties", lanes=("noli.parties",), state="noli.party_state")

#: Where what could not be read is kept for a human.
QUARANTINE: Final = "noli.quarantine"
