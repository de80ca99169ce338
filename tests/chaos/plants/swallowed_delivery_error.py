"""A delivery report that says "refused" is looked at by nobody."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message

from noli.runtime.outputs import Outputs


def plant() -> None:
    """An error is no news."""
    whole = Outputs._report

    def report(self: Outputs, error: KafkaError | None, message: Message) -> None:
        if error is None:
            whole(self, error, message)

    Outputs._report = report  # type: ignore[method-assign]
