"""JSON of a target's REST interface, over `connectors.egress`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import orjson

from connectors.egress import Answer, Asked, Egress, retry_after_s
from connectors.protocol import Change, Reject, Result, Retry
from noli.runtime.clock import steady

#: What a request answers that did what it was asked to.
_DONE: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT})

#: A batch takes no longer, in seconds: the runner takes a sink that answers after 90 s for hung.
BATCH_S: Final = 45.0


async def answered(way: Egress, asked: Asked, also: Collection[int] = ()) -> Answer:
    """The answer, of a status that says done or is one of `also`. Raises `Retry` for another."""
    answer = await way.ask(asked)
    if answer.status not in _DONE and answer.status not in also:
        after = retry_after_s(answer.headers.get("retry-after"), datetime.now(UTC))
        raise Retry(f"http_{answer.status}", after)
    return answer


def parsed(answer: Answer) -> Any:  # noqa: ANN401 - JSON
    """Its JSON. Raises `Retry` where it is none: something else answers at that address."""
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise Retry("no_json") from None


def fields(answer: Answer) -> Mapping[str, Any]:
    """Its fields. Raises `Retry` where it has none."""
    found = parsed(answer)
    if not isinstance(found, dict) or not found:
        raise Retry("no_fields")
    return found


async def in_turn(
    changes: Sequence[Change], write: Callable[[Change], Awaitable[Result]]
) -> list[Result]:
    """What each came to, written one after the other.

    Once the target gives up, or is too slow for all of them, the rest waits. Raises `Retry` where
    it gave up at the first.
    """
    results: list[Result] = []
    end = steady() + BATCH_S
    for change in changes:
        left = len(changes) - len(results)
        if results and steady() > end:
            return [*results, *(Retry("batch_took_too_long", 0.0) for _ in range(left))]
        try:
            results.append(await write(change))
        except Reject as reject:
            results.append(reject)
        except Retry as retry:
            if not results:
                raise
            return [*results, *(Retry(retry.reason, retry.after) for _ in range(left))]
    return results
