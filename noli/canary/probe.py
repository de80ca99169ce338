"""What is known of one application's canaries. Pure: what happened and when comes in as arguments.

A flight is one post, an objection or a consent, on its way. It is confirmed once the application's
receipt and the lookup both say so; lost once either has not within `LOST_MS`. Times are ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

#: An opt-out is to stand in every application within 5 s (the objective); a canary that took longer
#: is late, in ms.
LATE_MS: Final = 5_000
#: One that has not arrived by then is lost: above what a restart of any one process takes, in ms.
LOST_MS: Final = 20_000
#: What an application new here may take to read what was decided before it came, in ms.
NEWCOMER_MS: Final = 300_000
#: Receipts that say: the application holds this version, or a newer one.
_HOLDS: Final = frozenset({"applied", "verified", "superseded"})
_DRIFTED: Final = "drifted"

Datum = Mapping[str, Any]


class Missing(StrEnum):
    """What a lost canary lacked: which part of the way to look at."""

    INTAKE = "intake"
    RECEIPT = "receipt"
    LOOKUP = "lookup"
    READ_BACK = "read_back"


class Flight(NamedTuple):
    """One post. `sent`: first offered to the intake; `applied`, `seen`: by whom, and since when."""

    token: bytes
    objects: bool
    sent: int
    accepted: int
    applied: int | None = None
    seen: int | None = None

    @property
    def arrived(self) -> int | None:
        """When both had it."""
        return None if self.applied is None or self.seen is None else max(self.applied, self.seen)


class Heard(NamedTuple):
    """What an application said of one contact last: of which acceptance, and when."""

    accepted: int
    at: int


class End(NamedTuple):
    """How a flight ended: `took` seconds until it was confirmed, or what it lacked."""

    flight: Flight | None
    took: float | None
    missing: Missing | None


@dataclass(frozen=True, slots=True)
class Probe:
    """One application's canaries; the counts are over its life."""

    app: str
    phase: str = "objecting"
    token: bytes = bytes(17)
    sent: int = 0
    confirmed: int = 0
    lost: int = 0
    late: int = 0
    last_ok: int | None = None
    last_ms: int | None = None
    missing: Missing | None = None
    flying: tuple[Flight, ...] = ()
    #: Of noli.receipts, partition and offset: everything below is counted.
    origin: tuple[int, int] | None = None
    #: By token: a receipt may come before the intake's answer does.
    heard: Mapping[bytes, Heard] = field(default_factory=dict)
    #: Versions that were read back and found otherwise, by token: each is one loss.
    lied: Mapping[bytes, int] = field(default_factory=dict)

    def launched(self, flight: Flight) -> Probe:
        """The intake took one more."""
        heard = self.heard.get(flight.token)
        if heard is not None and heard.accepted >= flight.accepted:
            flight = flight._replace(applied=heard.at)
        return replace(
            self, sent=self.sent + 1, token=flight.token, flying=(*self.flying, flight),
            phase="objecting" if flight.objects else "consenting",
        )  # fmt: skip

    def refused(self, token: bytes) -> tuple[Probe, End]:
        """The intake did not take it in time: nobody's objection would have been taken either."""
        found = replace(self, sent=self.sent + 1, token=token)
        return _losing(found, Missing.INTAKE), End(None, None, Missing.INTAKE)

    def seen(self, token: bytes, accepted: int, at: int) -> Probe:
        """The lookup answers as the post of that acceptance wants it."""
        flying = tuple(
            flight._replace(seen=at)
            if flight.token == token and flight.accepted == accepted and flight.seen is None
            else flight
            for flight in self.flying
        )
        return replace(self, flying=flying)

    def unwatched(self) -> Probe:
        """Nobody asked the lookup for a while, and it cannot be asked about the past."""
        flying = tuple(f if f.seen else f._replace(seen=f.sent) for f in self.flying)
        return replace(self, flying=flying)

    def grounded(self) -> Probe:
        """Paused or removed: what is under way is nobody's loss."""
        return replace(self, flying=())

    def received(self, receipt: Datum, place: tuple[int, int]) -> tuple[Probe, list[End]]:
        """A receipt of the application's, by its place; what was found to be a lie is lost."""
        partition, offset = place
        if self.origin is not None and self.origin[0] == partition and offset < self.origin[1]:
            return self, []  # read again after a restart
        ends: list[End] = []
        heard, lied = dict(self.heard), dict(self.lied)
        for change in receipt["changes"]:
            token = bytes(change["token"])
            if change["outcome"] in _HOLDS:
                last = heard.get(token)
                if last is None or change["accepted"] > last.accepted:
                    heard[token] = Heard(change["accepted"], receipt["at"])
            elif change["outcome"] == _DRIFTED and change["version"] > lied.get(token, -1):
                lied[token] = change["version"]
                ends.append(End(None, None, Missing.READ_BACK))
        flying = tuple(_applied(flight, heard.get(flight.token)) for flight in self.flying)
        found = replace(self, heard=heard, lied=lied, flying=flying, origin=(partition, offset + 1))
        for _ in ends:
            found = _losing(found, Missing.READ_BACK)
        return found, ends

    def passed(self, place: tuple[int, int]) -> Probe:
        """A record that says nothing of canaries was read."""
        return replace(self, origin=(place[0], place[1] + 1))

    def settled(self, now: int, since: int) -> tuple[Probe, list[End]]:
        """What has ended, as of `now`: every receipt written before it was read.

        `since`: of the application's state. Until its first canary after that came home, it may
        still read what was decided before.
        """
        found, ends, flying = self, [], []
        for flight in self.flying:
            arrived = flight.arrived
            if arrived is not None and arrived - flight.sent <= LOST_MS:
                found = _confirming(found, flight, arrived)
                ends.append(End(flight, (arrived - flight.sent) / 1000, None))
            elif arrived is None and now - flight.sent <= LOST_MS:
                flying.append(flight)
            elif not found.is_newcomer(now, since):
                missing = _missing(flight)
                found = _losing(found, missing)
                ends.append(End(flight, None, missing))
        return replace(found, flying=tuple(flying)), ends

    def is_newcomer(self, now: int, since: int) -> bool:
        """Whether it came, or came back, lately, and nothing has reached it yet."""
        return now - since < NEWCOMER_MS and (self.last_ok is None or self.last_ok < since)


def _confirming(probe: Probe, flight: Flight, arrived: int) -> Probe:
    phase = "objected" if flight.objects else "consented"
    return replace(
        probe, confirmed=probe.confirmed + 1,
        late=probe.late + (arrived - flight.sent > LATE_MS),
        last_ok=max(arrived, probe.last_ok or arrived),
        last_ms=max(0, arrived - flight.accepted),
        phase=phase if flight == probe.flying[-1] else probe.phase,
    )  # fmt: skip


def _losing(probe: Probe, missing: Missing) -> Probe:
    return replace(probe, lost=probe.lost + 1, phase="lost", missing=missing)


def _missing(flight: Flight) -> Missing:
    """What did not come in time; the application's word is asked for first."""
    in_time = flight.applied is not None and flight.applied - flight.sent <= LOST_MS
    return Missing.LOOKUP if in_time else Missing.RECEIPT


def _applied(flight: Flight, heard: Heard | None) -> Flight:
    if flight.applied is not None or heard is None or heard.accepted < flight.accepted:
        return flight
    return flight._replace(applied=heard.at)


#: Fields of a record that are a probe's own.
_PLAIN: Final = ("app", "phase", "sent", "confirmed", "lost", "late", "last_ok", "last_ms", "token")


def record(probe: Probe, at: int) -> dict[str, Any]:
    """A `noli.Canary`."""
    origin = probe.origin
    return {
        **{name: getattr(probe, name) for name in _PLAIN},
        "at": at,
        "missing": probe.missing and probe.missing.value,
        "origin": origin and {"partition": origin[0], "offset": origin[1]},
        "flying": [flight._asdict() for flight in probe.flying],
    }


def recalled(datum: Datum) -> Probe:
    """The probe of a `noli.Canary`, as a prober that starts takes it over."""
    origin, missing = datum["origin"], datum["missing"]
    return Probe(
        **{name: datum[name] for name in _PLAIN},
        missing=Missing(missing) if missing in set(Missing) else None,
        origin=origin and (origin["partition"], origin["offset"]),
        flying=tuple(Flight(**flight) for flight in datum["flying"]),
    ).unwatched()
