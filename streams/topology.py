"""Every processor and its topics, in one table."""

from __future__ import annotations

from typing import Final

from noli.runtime.part import Topology
from schemas import names

#: Intents in, verdicts out. Objections lead: no backlog of grants or of a load stands before one.
SUPPRESS: Final = Topology(
    group="noli.suppress",
    lanes=(names.OBJECTIONS, names.CONTROL, names.GRANTS, names.BULK),
    state=names.STATE,
    decisions=names.DECISIONS,
    chunked=frozenset({names.BULK}),
    denials=frozenset({names.CONTROL}),
)

#: Facts of a person in, one fact per linked contact out, to the lanes of suppress.
PARTIES: Final = Topology(
    group="noli.parties", lanes=(names.PARTIES,), state=names.PARTY_STATE, beacons=names.BEACONS
)
