"""Every metric of every process: one catalogue, a section per module.

A process exports the sections its code imports, so no process shows a zero for what it cannot know.
Labels are closed sets (application, topic, partition, group, outcome, reason): never a contact,
never a token. Each metric says what to do when it moves; docs/reference/metrics.md is generated
from here, and deploy/observability is held to it.
"""

from typing import Final

#: The modules of the catalogue, in the order of the page.
SECTIONS: Final = (
    "stages",
    "process",
    "clients",
    "librdkafka",
    "loop",
    "delivery",
    "web",
    "intake",
    "replica",
    "checks",
    "watching",
    "canaries",
    "campaigns",
    "board",
)
