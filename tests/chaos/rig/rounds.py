"""Which faults are put into which round."""

from __future__ import annotations

import resource
from typing import Final

from tests.chaos.rig import behaviour, faults, lines
from tests.chaos.rig.faults import Fault
from tests.chaos.rig.lab import SCRIPTED, STEADY, TABLE

_PROC: Final = ("suppress-0", "suppress-1", "parties-0")
_MANY: Final = (*_PROC, "intake", "replica", "lookup", f"connectors-{STEADY}")


def put_back(app: str) -> Fault:
    """F20 of one application."""
    name = f"{app} put back to a backup"
    well, mend = behaviour.obeys_again(app), behaviour.filled(app)
    return Fault("F20", name, behaviour.regressed(app), well=well, mend=mend)


#: In `make test`, on one broker: the most telling ones.
SHORT: Final = (
    Fault("F8", "intake and broker", lines.line("INTAKE")),
    Fault("F8", "stream workers and broker", lines.line("PROC")),
    Fault("F8", "connectors and broker", lines.line("CONN")),
    Fault("F8", "connector and application", lines.line(names=lambda _: [SCRIPTED, TABLE])),
    Fault("F6", "broker stopped and continued", faults.broker_paused, (5.0, 7.0)),
    Fault("F22", "rebalance storm", faults.storm, (8.0, 10.0)),
    put_back(TABLE),
    Fault("F18", "application misbehaves", behaviour.misbehaves),
    Fault("F10", "disk of a worker full", faults.full("suppress-0", restarted=True)),
)

#: In `make chaos LONG=1`, on three brokers: these too.
LONG: Final = (
    *SHORT,
    Fault("F1", "intake killed", faults.killed("intake")),
    Fault("F2", "stream worker killed", faults.killed(*_PROC)),
    Fault("F3", "connector killed", faults.killed(f"connectors-{STEADY}", f"connectors-{TABLE}")),
    Fault("F4", "replica or lookup killed", faults.killed("replica", "lookup")),
    Fault("F5", "broker killed", faults.broker_killed),
    Fault("F5", "rolling restart", faults.chased, (1.0, 2.0)),
    Fault("F6", "broker stopped for long", faults.broker_paused, (25.0, 30.0)),
    Fault("F8", "replica and broker", lines.line("READ")),
    Fault("F8", "worker and registry", lines.line(names=lambda _: ["registry"])),
    Fault("F8", "broker and broker", lines.isolated),
    Fault("F9", "swizzle-clog", lines.swizzle, (3.0, 6.0)),
    Fault("F10", "disk of a broker full", faults.full("kafka-1")),
    Fault("F10", "disk of the replica full", faults.full("replica")),
    Fault("F17", "registry away", lines.down("registry"), (8.0, 12.0)),
    Fault("F18", "application away", lines.down(SCRIPTED), (10.0, 15.0)),
    Fault("F22", "two of one name", faults.conflict, (8.0, 10.0)),
    Fault("F23", "zombie", faults.paused(*_PROC), (9.0, 12.0)),
    Fault("F27", "starved of CPU", faults.starved(*_PROC, "intake", f"connectors-{STEADY}")),
    Fault("F8", "line and process", behaviour.together),
    put_back(STEADY),
    Fault("F7", "last broker loses its tail", faults.last_standing, (3.0, 5.0)),
    Fault("F27", "no more memory", faults.short_of(resource.RLIMIT_AS, *_MANY)),
    Fault("F27", "no more file descriptors", faults.short_of(resource.RLIMIT_NOFILE, *_MANY)),
    Fault("F28", "watcher killed", faults.killed("watch-0"), well=behaviour.watched),
)

#: A long round is done in so many runs, a part of the faults in each: of some minutes, so that one
#: that is cut off loses little.
PARTS: Final = 4


def part(seed: int) -> tuple[Fault, ...]:
    """What is put into the long run of a seed. As many seeds in a row as there are parts do all."""
    return LONG[seed % PARTS :: PARTS]
