"""Rebalances in a row, with a real broker, while leaders move and callbacks wait."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from connectors import inlet
from noli.runtime.kafka import consumer_config
from tests.support.blackbox import until
from tests.support.stack import Stack

PARTITIONS = 4
REBALANCES = 3
PATIENCE_S = 30.0


@pytest.mark.timeout(120)
def test_a_connector_lives_through_rebalances_while_brokers_move(
    stack: Stack, tmp_path: Path
) -> None:
    """Asking who leads now, it does not abort (ADR 20), and what it was given it has measured."""
    topic = stack.topic("decisions", PARTITIONS)
    output = tmp_path / "happened"
    with output.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.rebalanced", stack.kafka, topic, topic],
            stdout=out,
        )
        try:
            gained(process, output, PARTITIONS)
            for number in range(REBALANCES):
                comes_and_goes(stack, topic)
                gained(process, output, PARTITIONS * (number + 2))
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.timeout(60)
async def test_an_error_within_a_callback_reaches_who_reads(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers where a partition begins: the connector ends of it (the rig's seed 1003)."""
    topic = stack.topic("decisions", PARTITIONS)
    monkeypatch.setattr(inlet, "_OFFSETS_S", 0.0)
    reader = inlet.Inlet(stack.settings(instance="asks", data=tmp_path), topic, topic)

    async def reads() -> None:
        while True:
            await reader.read()

    with pytest.raises(inlet.InletError, match=r"on_assign: .*_TIMED_OUT"):
        await reads()
    await reader.aclose()


def gained(process: subprocess.Popen[bytes], output: Path, times: int) -> None:
    """Wait until it has gained partitions so many times; a failure where it has ended."""

    def there() -> bool:
        assert process.poll() is None, f"ended: {process.returncode}"
        return output.read_text("utf-8").split().count("Gained") >= times

    until(there, f"gained {times}", PATIENCE_S)


def comes_and_goes(stack: Stack, topic: str) -> None:
    """Another member joins, is given its part, and leaves."""
    other = Consumer(consumer_config(stack.settings(instance="other"), topic))
    other.subscribe([topic])

    def has_its_part() -> bool:
        other.poll(0.1)
        return bool(other.assignment())

    try:
        until(has_its_part, "assigned", PATIENCE_S)
    finally:
        other.close()
