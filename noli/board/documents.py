"""What a board says, as JSON. Times are RFC 3339 in UTC; nothing here names a person.

What does not change by itself (`…_document`) goes into the stream; a lag does, so it is laid over
it where somebody asks once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from noli.board.known import Datum, Known
from noli.board.lags import POINTS, STEP_MS
from noli.board.standing import Hold, Overall, Standing
from noli.domain import times
from noli.domain.campaigns import ratio
from noli.wire.apps import Job
from noli.wire.campaigns import counts_in

Json = dict[str, Any]

_MS: Final = 1_000


def text(moment: int | None) -> str | None:
    """A time, or none."""
    return None if moment is None else times.text(moment)


def lag(as_of: int | None, now: int) -> float | None:
    """Seconds between two moments; never below 0, which clocks that differ a little would give."""
    return None if as_of is None else round(max(0, now - as_of) / _MS, 3)


def alignment(whole: Overall, each: Iterable[Standing], now: int) -> Json:
    """`GET /v1/alignment`."""
    apps = [*each]
    return {
        "at": times.text(now),
        **overall(whole),
        "lag_seconds": lag(whole.as_of, now),
        "apps": [{**app(one), "lag_seconds": lag(one.as_of, now)} for one in apps],
    }


def overall(whole: Overall) -> Json:
    """All applications together."""
    return {
        "aligned": whole.aligned,
        "aligned_as_of": text(whole.as_of),
        "held_by": [_hold(hold) for hold in whole.holds],
        "watcher": {"at": text(whole.said_at), "silent": whole.silent},
    }


def app(one: Standing) -> Json:
    """One application, as on the board."""
    face = one.app.face
    return {
        "app": one.app.name,
        "sink": face.sink if face else None,
        "third_party": bool(face and face.third_party),
        "state": one.state.value,
        "aligned": one.aligned,
        "aligned_as_of": text(one.as_of),
        "held_by": [_hold(hold) for hold in one.holds],
        **_recorded(one.record),
    }


def app_page(one: Standing, canary: Datum | None, curve: Iterable[float | None], now: int) -> Json:
    """`GET /v1/alignment/{app}`: all that is known of one application; `curve`: of its lag."""
    face, record = one.app.face, one.record
    return {
        "at": times.text(now),
        **app(one),
        "lag_seconds": lag(one.as_of, now),
        "controllers": [*face.controllers] if face else [],
        "channels": [*face.channels] if face else [],
        "purposes": [*face.purposes] if face else [],
        "since": text(one.app.since),
        "by": one.app.by,
        "reason": one.app.reason,
        "job": None if one.app.job is None else _job(one.app.job),
        "partitions": [_point(each) for each in (record or {}).get("points", ())],
        "attempts": [_attempt(each) for each in (record or {}).get("attempts", ())],
        "wrong_changes": [_wrong(each) for each in (record or {}).get("wrong", ())],
        "canary": None if canary is None else canary_document(canary),
        "lags": [*curve],
    }


def canary_document(datum: Datum) -> Json:
    """The probe of one application."""
    return {
        "app": datum["app"],
        "at": text(datum["at"]),
        "phase": datum["phase"],
        "sent": datum["sent"],
        "confirmed": datum["confirmed"],
        "lost": datum["lost"],
        "late": datum["late"],
        "last_ok": text(datum["last_ok"]),
        "last_ms": datum["last_ms"],
        "missing": datum["missing"],
    }


def campaign_document(datum: Datum) -> Json:
    """What a campaign's calls came to; `ratio`: as the law counts (SILENT-RATIO)."""
    whole = counts_in(datum)
    return {
        "controller": datum["controller"],
        "campaign": datum["campaign"],
        "at": text(datum["at"]),
        "answered": whole.answered,
        "silent": datum["silent"],
        "ratio": round(ratio(whole), 2) if whole.answered else None,
        "late_cuts": datum["late_cuts"],
        "no_comfort_noise": datum["no_comfort_noise"],
        "over": datum["over"],
        "over_since": text(datum["over_since"]),
        "holds_due": datum["holds_due"],
        "holds_confirmed": datum["holds_confirmed"],
    }


def quarantine(known: Known) -> Json:
    """How many records wait for a human, since when, and why they could not be read."""
    waiting = known.quarantine.values()
    return {
        "count": len(waiting),
        "oldest": text(min((each.at for each in waiting), default=None)),
        "topics": sorted({each.topic for each in waiting}),
    }


def lags(known: Known, names: Iterable[str], now: int) -> Json:
    """The curves, in seconds of lag: `points` of them, `step_seconds` apart, the newest last."""
    return {
        "step_seconds": STEP_MS // _MS,
        "points": POINTS,
        "step": now // STEP_MS - 1,
        "curves": {name: known.lags.curve(name, now) for name in names},
    }


def _recorded(record: Datum | None) -> Json:
    """The part that only the watcher knows; null where it never said a word."""
    if record is None:
        names = (
            "pending", "oldest_pending", "failures", "unreadable", "wrong", "last_error",
            "next_try", "reported_at", "last_attempt",
        )  # fmt: skip
        return dict.fromkeys(names)
    attempts = record["attempts"]
    return {
        "pending": record["pending"],
        "oldest_pending": text(record["oldest_pending"]),
        "failures": record["failures"],
        "unreadable": record["unreadable"],
        "wrong": len(record["wrong"]) + record["wrong_more"],
        "last_error": record["last_error"],
        "next_try": text(record["next_try"]),
        "reported_at": text(record["reported_at"]),
        "last_attempt": _attempt(attempts[-1]) if attempts else None,
    }


def _hold(hold: Hold) -> Json:
    return {
        "why": hold.why,
        "since": text(hold.since),
        "count": hold.count,
        "detail": hold.detail,
    }


def _attempt(datum: Mapping[str, Any]) -> Json:
    return {**datum, "at": text(datum["at"])}


def _point(datum: Mapping[str, Any]) -> Json:
    return {**datum, "as_of": text(datum["as_of"])}


def _wrong(datum: Mapping[str, Any]) -> Json:
    """Without the contact's token: a board says how many and why, not who."""
    return {
        "partition": datum["partition"],
        "version": datum["version"],
        "accepted": text(datum["accepted"]),
        "outcome": datum["outcome"],
        "reason": datum["reason"],
    }


def _job(job: Job) -> Json:
    parts = job.parts.values()
    return {
        "verb": job.verb.value,
        "asked": text(job.asked),
        "by": job.by,
        "passed": sum(part.passed for part in parts),
        "total": sum(part.total for part in parts),
        "written": sum(part.written for part in parts),
        "drift": job.drift(),
        "partitions_done": sum(part.done for part in parts),
    }
