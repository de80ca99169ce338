"""JSON of a target's REST interface, over `connectors.egress`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import orjson

from connectors.egress import Answer, Asked, Egress, retry_after_s
from connectors.protocol import Change, Reject, Result, Retry

#: What a request answers that did what it was asked to.
_DONE: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT})


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


async def in_turn(
    changes: Sequence[Change], write: Callable[[Change], Awaitable[Result]]
) -> list[Result]:
    """What each came to, written one after the other; once the target gives up, the rest waits.

    Raises `Retry` where it gave up at the first.
    """
    results: list[Result] = []
    for change in changes:
        try:
            results.append(await write(change))
        except Reject as reject:
            results.append(reject)
        except Retry as retry:
            if not results:
                raise
            left = len(changes) - len(results)
            return [*results, *(Retry(retry.reason, retry.after) for _ in range(left))]
    return results
