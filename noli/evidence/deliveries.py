"""ALL-ALIGNED, EVIDENCE: when each application was told of a contact, and what it confirmed.

noli.receipts is kept by application, not by contact: all of it would have to be read. So it is read
where an answer is likely, first right after each change of a verdict, and then the rest, for as
long as there is time. What was searched is told with what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from noli.runtime.part import Record
from schemas.codec import Codec, UnreadableError

#: An application confirms within this of a change, ms; one that is down confirms when it returns.
SOON_MS: Final = 600_000
#: Writers' clocks differ by this much at most, ms.
_SLACK_MS: Final = 5_000

_RECEIPT: Final = "noli.Receipt"


class Delivery(NamedTuple):
    """An application's answer. `accepted`: of the fact behind the verdict it was told, ms.

    `place`: of the receipt; `version`: of the decision.
    """

    at: int
    app: str
    outcome: str
    reason: str | None
    version: int
    accepted: int
    place: str


class Span(NamedTuple):
    """From, up to and including, ms."""

    since: int
    until: int


class Deliveries(NamedTuple):
    """In the order of time. `searched`: the spans that were read whole, in order, apart."""

    found: tuple[Delivery, ...]
    searched: tuple[Span, ...]


class Reading(Protocol):
    """What is used of `noli.runtime.spans.Spans`."""

    def read(self, since: int, until: int, /) -> Iterable[list[Record]]:
        """Batches of records."""


def read(
    reading: Reading, codec: Codec, key: bytes, spans: Sequence[Span], late: Callable[[], bool]
) -> Deliveries:
    """The answers about the contact behind a token, span after span until it is late.

    Raises `noli.runtime.scan.LogUnavailable`.
    """
    found: dict[tuple[str, int], Delivery] = {}
    searched: list[Span] = []
    for span in spans:
        for batch in reading.read(span.since, span.until):
            if late():
                return _told(found, searched)
            for record in batch:
                # A receipt holds thousands of contacts: only one that names this one is decoded.
                if record.value is not None and key in record.value:
                    _take(found, record, codec, key)
        searched.append(span)
    return _told(found, searched)


def spans(moments: Iterable[int], first: int, now: int) -> list[Span]:
    """What to search, likeliest first: after each moment, the newest first; then what lies between.

    `first`: before it nobody can have been told anything.
    """
    begin = first - _SLACK_MS
    likely = merged(
        [Span(max(begin, at - _SLACK_MS), min(now, at + SOON_MS)) for at in moments if at <= now]
    )
    between = []
    for span in likely:
        if span.since > begin:
            between.append(Span(begin, span.since - 1))
        begin = span.until + 1
    if begin <= now:
        between.append(Span(begin, now))
    return [*reversed(likely), *reversed(between)]


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same time in spans that do not touch, in order."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.since <= found[-1].until + 1:
            found[-1] = Span(found[-1].since, max(found[-1].until, span.until))
        else:
            found.append(span)
    return found


def _take(found: dict[tuple[str, int], Delivery], record: Record, codec: Codec, key: bytes) -> None:
    try:
        name, datum = codec.decode(record.value)
    except UnreadableError:
        return  # it confirms nothing
    if name != _RECEIPT:
        return
    for number, change in enumerate(datum["changes"]):
        if change["token"] == key:
            found[record.place, number] = Delivery(
                datum["at"], datum["app"], change["outcome"], change["reason"],
                change["version"], change["accepted"], record.place,
            )  # fmt: skip


def _told(found: dict[tuple[str, int], Delivery], searched: Iterable[Span]) -> Deliveries:
    return Deliveries(tuple(sorted(found.values())), tuple(merged(searched)))
