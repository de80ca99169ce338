"""Callbacks of a Kafka client whose errors can be caught.

What a client raises within its own callback comes out of `poll` as a bare `KafkaError`. That is no
exception: no `except` takes it, and of an executor it ends the thread, so that whoever awaits its
answer awaits it for ever (confluent-kafka 2.x; the rig's F6, seed 1003).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from confluent_kafka import KafkaException

P = ParamSpec("P")
S = TypeVar("S")


def catchable(
    error: type[Exception],
) -> Callable[[Callable[Concatenate[S, P], None]], Callable[Concatenate[S, P], None]]:
    """A decorator of a callback: what the client raises within it is raised as `error`."""

    def of(callback: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
        @functools.wraps(callback)
        def called(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
            try:
                callback(self, *args, **kwargs)
            except KafkaException as refused:
                raise error(f"{callback.__name__.lstrip('_')}: {refused.args[0]}") from refused

        return called

    return of
