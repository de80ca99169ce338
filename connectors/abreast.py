"""Many small questions to a target that answers one at a time: a few of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from connectors.protocol import Retry

_T = TypeVar("_T")


async def few_at_once(most: int, asks: Sequence[Callable[[], Awaitable[_T]]]) -> list[_T]:
    """What each came to, in order. Raises the first `Retry`, and asks no further."""
    free = asyncio.Semaphore(most)

    async def one(ask: Callable[[], Awaitable[_T]]) -> _T:
        async with free:
            return await ask()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(ask)) for ask in asks]
    except ExceptionGroup as errors:
        retries, others = errors.split(Retry)
        if others or retries is None:
            raise
        raise retries.exceptions[0] from None
    return [task.result() for task in tasks]
