"""How far each application is, by what its connector committed: no process is asked.

With each offset a connector commits the newest beacon below it. So the broker alone knows as of
when an application is aligned, also while its connector is down, which is when one wants to know.
What the watcher published can only hold that back: a verdict refused, or confirmed and not held.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from noli.runtime import alignment, broker
from noli.runtime.clock import now_ms
from noli.runtime.logging import get_logger
from noli.runtime.scan import LogUnavailable
from noli.runtime.settings import Settings
from noli.wire.alignment import Aligned
from noli.wire.apps import App, Job, State
from schemas.codec import Codec
from schemas.names import DECISIONS

_S: Final = 1_000
#: Of alignment, in seconds: beacons come once a second, and a commit as often.
_FRESH_S: Final = 10.0
_AS_OF: Final = re.compile(r"as_of=(\d+)")

#: Offset and the text committed with it, by partition.
Marks = Mapping[int, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Standing:
    """`as_of`: all accepted before it (ms) stands there; None: not known on every partition.

    `records`: not read yet; `partitions`: of noli.decisions; `held_by`: why the watcher holds it.
    """

    app: App
    as_of: int | None
    records: int
    partitions: int
    held_by: tuple[str, ...] = ()

    @property
    def lag_s(self) -> float | None:
        """How long ago that is, in seconds."""
        return None if self.as_of is None else max(0.0, (now_ms() - self.as_of) / _S)

    @property
    def aligned(self) -> bool:
        """Whether whatever was said seconds ago stands there."""
        lag = self.lag_s
        held = bool(self.held_by) or self.app.state is not State.RUNNING
        return not held and lag is not None and lag < _FRESH_S


def look(settings: Settings, apps: Iterable[App], codec: Codec | None = None) -> list[Standing]:
    """Where each stands; without a `codec` by what was committed alone.

    Raises `noli.runtime.broker.BrokerUnavailable`.
    """
    client = broker.admin(settings)
    cluster = broker.look(client)
    if DECISIONS not in cluster.topics:
        raise broker.BrokerUnavailable(f"no topic {DECISIONS}; run `noli topics apply`")
    ends = broker.ends(client, cluster, [DECISIONS])[DECISIONS]
    try:
        published = {} if codec is None else alignment.look(settings, codec)
    except LogUnavailable as error:  # no watcher has ever run here
        get_logger().warning("alignment.unknown", why=str(error))
        published = {}
    return [
        held(
            standing(app, broker.marks(settings, f"noli.app.{app.name}", DECISIONS, ends), ends),
            published.get(app.name),
        )
        for app in apps
    ]


def held(found: Standing, published: Aligned | None) -> Standing:
    """The same, no further than the watcher has it; where it never spoke, as it was committed."""
    if published is None:
        return found
    known = [at for at in (found.as_of, published.as_of) if at is not None]
    whys = tuple(hold.why for hold in published.held_by)
    return replace(found, as_of=min(known) if len(known) > 1 else None, held_by=whys)


def standing(app: App, marks: Marks, ends: Mapping[int, int]) -> Standing:
    """Where an application stands by its commits and the end of each partition."""
    as_ofs = [
        found and int(found[1]) for _, text in marks.values() for found in [_AS_OF.search(text)]
    ]
    known = [as_of for as_of in as_ofs if as_of is not None]
    whole = bool(ends) and len(known) == len(ends)
    behind = sum(max(0, end - marks.get(number, (0, ""))[0]) for number, end in ends.items())
    return Standing(app, min(known) if whole else None, behind, len(ends))


def document(standing: Standing) -> dict[str, object]:
    """For programs. Times are ms since the epoch."""
    app = standing.app
    return {
        "app": app.name,
        "sink": app.face.sink if app.face else None,
        "face": None if app.face is None else app.face._asdict(),
        "state": app.state.value,
        "since": app.since,
        "by": app.by,
        "reason": app.reason,
        "aligned": standing.aligned,
        "aligned_as_of": standing.as_of,
        "lag_seconds": standing.lag_s,
        "held_by": list(standing.held_by),
        "records": standing.records,
        "job": None if app.job is None else _job(app.job, standing.partitions),
    }


def _job(job: Job, partitions: int) -> dict[str, object]:
    return {
        "id": job.id,
        "verb": job.verb.value,
        "asked": job.asked,
        "by": job.by,
        "done": job.done(partitions),
        "passed": sum(part.passed for part in job.parts.values()),
        "total": sum(part.total for part in job.parts.values()),
        "contacts": sum(part.contacts for part in job.parts.values()),
        "written": sum(part.written for part in job.parts.values()),
        "drift": job.drift(),
    }
