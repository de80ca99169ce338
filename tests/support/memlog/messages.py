"""What clients hand out: messages, errors, descriptions; with the methods that ours use."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Final, NamedTuple

from confluent_kafka import TIMESTAMP_CREATE_TIME, KafkaError, KafkaException

#: What a broker would repair by itself, or a client by asking again.
_RETRIABLE: Final = frozenset({KafkaError._TIMED_OUT, KafkaError._TRANSPORT})


class Message:
    """A record, or an error in place of one."""

    __slots__ = ("_at", "_error", "_key", "_offset", "_partition", "_topic", "_value")

    def __init__(
        self, place: tuple[str, int, int], at: int = 0, key: bytes | None = None,
        value: bytes | None = None, error: KafkaError | None = None,
    ) -> None:  # fmt: skip
        self._topic, self._partition, self._offset = place
        self._at, self._key, self._value, self._error = at, key, value, error

    def topic(self) -> str:
        """Its topic."""
        return self._topic

    def partition(self) -> int:
        """Its partition."""
        return self._partition

    def offset(self) -> int:
        """Its offset."""
        return self._offset

    def key(self) -> bytes | None:
        """Its key."""
        return self._key

    def value(self) -> bytes | None:
        """Its value."""
        return self._value

    def error(self) -> KafkaError | None:
        """The error it stands for."""
        return self._error

    def timestamp(self) -> tuple[int, int]:
        """Which clock, and ms."""
        return TIMESTAMP_CREATE_TIME, self._at


class Info(NamedTuple):
    """An answer about one offset."""

    offset: int


class Described(NamedTuple):
    """A topic as an administrator sees it."""

    topic_id: str
    partitions: list[int]


class Metadata(NamedTuple):
    """A cluster as a client sees it."""

    topics: dict[str, Any]


def error_of(code: int, *, fatal: bool = False) -> KafkaError:
    """An error of that code."""
    return KafkaError(code, fatal=fatal, retriable=code in _RETRIABLE)


def done(value: object) -> Future[Any]:
    """An answer that is there."""
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def failed(code: int) -> Future[Any]:
    """An answer that did not come."""
    future: Future[Any] = Future()
    future.set_exception(KafkaException(error_of(code)))
    return future
