"""The body of `POST /v1/decisions`: questions read strictly, symbols read leniently.

A field that is missing or of the wrong type is the caller's mistake and is named. A channel, a
purpose or a contact that nobody can make sense of is a doubt, and a doubt is denied, not refused:
one bad number must not hold up the other 999. Fields beyond these are passed over: an answer
without them is never wider.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from noli.domain import times
from noli.domain.question import Question
from noli.runtime.problem import Problem

#: Most questions in one post.
BATCH_MAX: Final = 1_000

_MEDIA: Final = ("", "application/json")

#: msgspec ends its messages with the place; a missing field is named in the message itself.
_PLACE: Final = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`")

#: Most questions about the past in one post: the log is read for each contact.
PAST_MAX: Final = 20

_REMEDY_AT: Final = (
    "an answer for the past comes from the evidence, and NOLI_BOARD_URL does not say where that is "
    "asked: leave `at` out, or use `noli explain`"
)
_REMEDY_AHEAD: Final = "lies ahead: the evidence knows what was, ask the lookup"
_REMEDY_CAMPAIGN: Final = "the ratio of a campaign is not kept for the past: leave it out"


class _Contact(msgspec.Struct, frozen=True):
    kind: str
    value: str


class _Query(msgspec.Struct, frozen=True):
    controller: str
    contact: _Contact
    channel: str
    purpose: str
    brand: str | None = None
    product: str | None = None
    campaign: str | None = None
    at: str | None = None


class _Body(msgspec.Struct, frozen=True):
    queries: list[_Query]


_DECODER: Final = msgspec.json.Decoder(_Body)


def read(body: bytes, headers: Mapping[str, str]) -> list[Question]:
    """The questions of a request. Raises `Problem` 400, 413, 415 or 422."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in _MEDIA:
        raise Problem(415, "unsupported-media-type", "send application/json")
    try:
        queries = _DECODER.decode(body).queries
    except msgspec.ValidationError as error:
        raise _refused([_named(str(error))]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "malformed", "the body is not JSON in UTF-8") from error
    if len(queries) > BATCH_MAX:
        detail = f"{len(queries)} queries; send at most {BATCH_MAX} in one post"
        raise Problem(413, "too-large", detail)
    errors = [*_errors(queries)]
    if errors:
        raise _refused(errors)
    return [_question(query) for query in queries]


def past(asked: Sequence[Question], earliest: int, *, evidence: bool) -> list[int]:
    """Which of them ask about a moment before `earliest` (ms). `evidence`: whether that is kept.

    Raises `Problem` 413 or 422 where one of those cannot be answered.
    """
    found = [
        index for index, each in enumerate(asked) if each.at is not None and each.at < earliest
    ]
    if not evidence and found:
        raise _refused([_error(index, "at", _REMEDY_AT) for index in found])
    _check_past(asked, found)
    return found


def past_only(asked: Sequence[Question], now: int) -> None:
    """Refuse what the evidence cannot answer. Raises `Problem` 413 or 422."""
    ahead = [index for index, each in enumerate(asked) if each.at is not None and each.at > now]
    if ahead:
        raise _refused([_error(index, "at", _REMEDY_AHEAD) for index in ahead])
    _check_past(asked, range(len(asked)))


def _check_past(asked: Sequence[Question], found: Sequence[int]) -> None:
    if len(found) > PAST_MAX:
        detail = f"{len(found)} queries about the past; send at most {PAST_MAX} in one post"
        raise Problem(413, "too-large", detail)
    campaigns = [index for index in found if asked[index].campaign is not None]
    if campaigns:
        raise _refused([_error(index, "campaign", _REMEDY_CAMPAIGN) for index in campaigns])


def _question(query: _Query) -> Question:
    return Question(
        query.controller,
        (query.contact.kind, query.contact.value),
        query.channel,
        query.purpose,
        query.brand,
        query.product,
        None if query.at is None else times.parse(query.at),
        query.campaign,
    )


def _errors(queries: list[_Query]) -> Iterator[dict[str, Any]]:
    for index, query in enumerate(queries):
        if not query.controller.strip():
            yield _error(index, "controller", "name the controller who asks")
        if query.at is not None:
            try:
                times.parse(query.at)
            except (ValueError, OverflowError):
                yield _error(index, "at", "give an RFC 3339 time with its offset")


def _error(index: int, field: str, detail: str) -> dict[str, Any]:
    return {"index": index, "field": f"queries[{index}].{field}", "detail": detail}


def _named(message: str) -> dict[str, Any]:
    """Msgspec's message as field and detail; it quotes types, never values."""
    found = _PLACE.fullmatch(message)
    detail, place = (found[1], found[2] or "") if found else (message, "")
    missing = _MISSING.fullmatch(detail)
    if missing is not None:
        place = f"{place}.{missing[1]}" if place else missing[1]
        detail = "is missing"
    index = re.match(r"queries\[(\d+)\]", place)
    return {"index": int(index[1]) if index else None, "field": place or "body", "detail": detail}


def _refused(errors: list[dict[str, Any]]) -> Problem:
    first, more = errors[0], len(errors) - 1
    detail = f"{first['field']}: {first['detail']}" + (f"; {more} more in errors" if more else "")
    return Problem(422, "refused", detail, extra={"errors": errors})
