"""Options that several commands take, read once."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from noli.cli.problem import ProblemError
from noli.domain import reading, times
from noli.domain.envelope import controller as checked


def controller(said: str) -> str:
    """The controller of --controller. Raises `ProblemError`."""
    try:
        return checked({"controller": said})
    except reading.Refused as error:
        raise ProblemError("--controller cannot be read", error.remedy) from None


def moment(said: str, option: str) -> int:
    """Milliseconds of a moment. Raises `ProblemError` naming the option."""
    try:
        return times.parse(said)
    except (ValueError, OverflowError):
        raise ProblemError(
            f"{option} is not a moment", "give it with its offset, e.g. 2026-01-31T10:00:00+01:00"
        ) from None


def zone(said: str) -> ZoneInfo:
    """The zone of --zone. Raises `ProblemError`."""
    try:
        return ZoneInfo(said)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ProblemError(f"--zone {said} is not known", "e.g. Europe/Rome, UTC") from error


def event_type(said: str | None) -> str | None:
    """The type of --type, in full: `objection.raised` is `noli.objection.raised.v1`."""
    return said if said is None or said.startswith("noli.") else f"noli.{said}.v1"
