"""Places in the code where a test may break a process: nothing happens there unless one is armed.

`failpoint(Failpoint.X)` costs one look at a module's name. The environment arms it, for tests of
this repository and for drills: `NOLI_FAILPOINTS="processor.states_sent:kill@2"` kills the process
at the second time it comes there. Nothing is armed without `NOLI_FAILPOINTS_ALLOWED=1` beside it,
and a wrong name refuses to start: a drill that breaks nothing proves nothing.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from noli.runtime.logging import configure, get_logger

VARIABLE: Final = "NOLI_FAILPOINTS"
ALLOWED: Final = "NOLI_FAILPOINTS_ALLOWED"

_ENTRY: Final = re.compile(
    r"(?P<name>[a-z_.]+):(?P<action>[a-z]+)(?::(?P<seconds>[0-9.]+))?(?:@(?P<nth>[1-9][0-9]*))?"
)
_FORM: Final = "NAME:kill@2, NAME:stop, NAME:raise or NAME:pause:1.5, separated by commas"


class Failpoint(StrEnum):
    """Every place. The first part says where: which processes come there."""

    #: Read and validated, nothing handed to Kafka.
    INTAKE_BEFORE_PRODUCE = "intake.before_produce"
    #: Handed to the client library, nothing confirmed: it may stand in the log, or not.
    ACKED_QUEUED = "acked.queued"
    #: The broker confirmed, whoever waits for it was not told.
    ACKED_CONFIRMED = "acked.confirmed"
    #: Durable, not answered.
    INTAKE_BEFORE_REPLY = "intake.before_reply"

    #: A record was folded, nothing of it is sent but what the step emitted.
    PROCESSOR_STEPPED = "processor.stepped"
    PROCESSOR_OUTPUTS_SENT = "processor.outputs_sent"
    PROCESSOR_OUTPUTS_DELIVERED = "processor.outputs_delivered"
    PROCESSOR_STATES_SENT = "processor.states_sent"
    PROCESSOR_STATES_DELIVERED = "processor.states_delivered"
    PROCESSOR_DECISIONS_SENT = "processor.decisions_sent"
    PROCESSOR_DECISIONS_DELIVERED = "processor.decisions_delivered"
    PROCESSOR_STORED = "processor.stored"
    PROCESSOR_BEFORE_COMMIT = "processor.before_commit"
    PROCESSOR_AFTER_COMMIT = "processor.after_commit"
    #: What woke, or was swept, is decided again, nothing of it delivered.
    PROCESSOR_CHORES = "processor.chores"
    #: A foreign record was found, nothing is written over it yet.
    PROCESSOR_REPAIR = "processor.repair"
    PROCESSOR_BEACON = "processor.beacon"
    #: Part of the state topic is read and stored.
    TAKEOVER_MID_RESTORE = "takeover.mid_restore"
    #: The claim stands in the decisions, in the state topic not.
    TAKEOVER_MID_CLAIM = "takeover.mid_claim"
    TAKEOVER_CLAIMED = "takeover.claimed"
    #: Claimed and restored, nothing read.
    TAKEOVER_DONE = "takeover.done"
    #: One contact of a party was told, the next not.
    PARTIES_FAN_OUT = "parties.fan_out"

    CONNECTORS_AFTER_READ = "connectors.after_read"
    CONNECTORS_BEFORE_APPLY = "connectors.before_apply"
    CONNECTORS_AFTER_APPLY = "connectors.after_apply"
    #: The target took it, our ledger does not know.
    CONNECTORS_BEFORE_LEDGER = "connectors.before_ledger"
    CONNECTORS_BEFORE_RECEIPT = "connectors.before_receipt"
    CONNECTORS_AFTER_RECEIPT = "connectors.after_receipt"
    CONNECTORS_BEFORE_COMMIT = "connectors.before_commit"
    CONNECTORS_AFTER_COMMIT = "connectors.after_commit"
    #: A chunk of a backfill is queued, or compared.
    CONNECTORS_SURVEY_CHUNK = "connectors.survey_chunk"

    #: A new copy is spooled and not filled; filled and not published.
    REPLICA_SPOOLED = "replica.spooled"
    REPLICA_FILLED = "replica.filled"
    REPLICA_BEFORE_PUT = "replica.before_put"
    #: Within the transaction: everything is put, nothing committed.
    REPLICA_MID_PUT = "replica.mid_put"
    REPLICA_AFTER_PUT = "replica.after_put"
    #: The data of a snapshot is copied, its manifest is not there.
    SNAPSHOT_MID_EXPORT = "snapshot.mid_export"
    #: Copied to the new host, not published there.
    SNAPSHOT_MID_IMPORT = "snapshot.mid_import"


class Injected(Exception):
    """What an armed failpoint raises."""


class FailpointError(Exception):
    """The environment arms what cannot be armed: names the variable and the remedy."""


@dataclass(slots=True)
class _Fuse:
    """What happens at the `nth` hit; `left` counts down to it."""

    action: Callable[[], object]
    said: str
    left: int


#: None unless something is armed: the one look that a failpoint costs.
_armed: dict[Failpoint, _Fuse] | None = None


def failpoint(name: Failpoint) -> None:
    """Break here, if this place is armed and it is its turn."""
    if _armed is not None:
        _hit(_armed, name)


def arm(environ: Mapping[str, str] = os.environ) -> None:
    """Arm what the environment names; nothing in production. Raises `FailpointError`."""
    global _armed  # noqa: PLW0603 - one per process, set once before anything runs
    said = environ.get(VARIABLE, "")
    if not said:
        _armed = None
        return
    if environ.get(ALLOWED) != "1":
        raise FailpointError(
            f"{VARIABLE} is set, which breaks this process on purpose: unset it, "
            f"or set {ALLOWED}=1 where that is meant"
        )
    _armed = dict(_parsed(entry.strip()) for entry in said.split(","))
    configure("failpoints")
    for name, fuse in _armed.items():
        get_logger().warning("failpoint.armed", name=name, action=fuse.said, hit=fuse.left)


def _parsed(entry: str) -> tuple[Failpoint, _Fuse]:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise FailpointError(f"{VARIABLE}: {entry!r} cannot be read; write {_FORM}")
    name, action, seconds = found["name"], found["action"], found["seconds"]
    if name not in set(Failpoint):
        raise FailpointError(f"{VARIABLE}: no failpoint {name!r}; there are {', '.join(Failpoint)}")
    doing = _ACTIONS.get(action)
    if doing is None or (seconds is not None) is not (action == "pause"):
        raise FailpointError(f"{VARIABLE}: no action in {entry!r}; write {_FORM}")
    nth = int(found["nth"] or 1)
    return Failpoint(name), _Fuse(lambda: doing(float(seconds or 0)), action, nth)


def _hit(armed: dict[Failpoint, _Fuse], name: Failpoint) -> None:
    fuse = armed.get(name)
    if fuse is None or fuse.left == 0:
        return
    fuse.left -= 1
    if fuse.left == 0:
        get_logger().warning("failpoint.hit", name=name, action=fuse.said)
        fuse.action()


def _raise(_seconds: float) -> None:
    raise Injected("an armed failpoint")


_ACTIONS: Final[Mapping[str, Callable[[float], object]]] = {
    "kill": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    #: Until somebody sends SIGCONT: no thread of the process runs, its membership runs out.
    "stop": lambda _: os.kill(os.getpid(), signal.SIGSTOP),
    "raise": _raise,
    #: The calling thread only: others, heartbeats among them, go on.
    "pause": lambda seconds: threading.Event().wait(seconds),
}
