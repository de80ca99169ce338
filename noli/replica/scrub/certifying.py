"""From what came of a list to what its certificate says."""

from __future__ import annotations

import platform

from noli.replica.gate import Gate
from noli.replica.head import Refused
from noli.replica.scrub.asked import Asked, Result
from noli.replica.scrub.certificate import Certificate, Counts, Replica, moment


def identity(gate: Gate) -> Replica | None:
    """Which copy answers; None where there is none that can be used: all is denied then."""
    try:
        name, head = gate.generation()
    except Refused:
        return None
    return Replica(name, head.topic_id, head.pepper_version, platform.node())


def certificate(
    done: Result, asked: Asked, times: tuple[int, int], lease_s: float, replica: Replica
) -> Certificate:
    """What is to be signed; `times` are start and end, milliseconds since the epoch."""
    tally = done.tally
    return Certificate(
        input_sha256=done.input_sha256,
        output_sha256=done.output_sha256,
        counts=Counts(
            tally.rows,
            tally.allowed,
            tally.rows - tally.allowed,
            tally.unparsable,
            dict(sorted(tally.reasons.items())),
        ),
        controller=asked.controller,
        channel=asked.channel,
        purpose=asked.purpose,
        brand=asked.brand,
        product=asked.product,
        campaign=asked.campaign,
        as_of=moment(tally.as_of),
        lease_seconds=lease_s,
        started=moment(times[0]) or "",
        ended=moment(times[1]) or "",
        replica=replica,
    )
