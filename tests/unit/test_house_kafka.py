"""What of the Kafka client must not be used."""

from __future__ import annotations

from typing import Final

from tests.support.source import calls, trees

ROOMS: Final = ("noli", "streams", "connectors", "tests")
#: Call → why not.
NEVER: Final = {
    "list_consumer_group_offsets": "ends the process when the coordinator has moved (ADR 14)",
}


def test_calls_that_crash_are_not_made() -> None:
    """Found by the rig's F6, seeds 1, 7 and 30242: a broker that pauses ends who asks it so."""
    made = [
        f"{path}:{call.lineno}: {name} {NEVER[name]}"
        for path, tree in trees(*ROOMS).items()
        for name, call in calls(tree)
        if name in NEVER
    ]
    assert made == []
