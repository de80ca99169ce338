"""What Kafka clients tell, what they must never see, and what outlives the process that saw it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, KafkaError

from noli.runtime import clientstats, copies, kafka, violations
from noli.runtime.broker import Cluster
from noli.runtime.heights import Heights
from noli.runtime.metrics.exposition import REGISTRY
from noli.runtime.metrics.process import INVARIANT_VIOLATIONS, Invariant
from noli.runtime.settings import Settings

_names = count()


def value(name: str, **labels: str) -> float | None:
    """A sample of this process."""
    return REGISTRY.get_sample_value(name, labels)


@pytest.fixture
def kind() -> str:
    """A kind of client that told nothing before."""
    return f"kind-{next(_names)}"


# --- librdkafka's statistics ----------------------------------------------------------------------


def broker(number: int, state: str = "UP", **over: int) -> dict[str, Any]:
    """A broker as librdkafka tells it."""
    return {
        "nodeid": number,
        "state": state,
        "outbuf_cnt": 1,
        "waitresp_cnt": 2,
        "rtt": {"p50": 1_000, "p99": over.pop("p99", 5_000)},
        "txerrs": 0,
        "rxerrs": 0,
        "req_timeouts": 0,
        "txretries": 0,
        "disconnects": 0,
        **over,
    }


def told(name: str, *brokers: dict[str, Any], queued: int = 3) -> dict[str, Any]:
    """What a client tells."""
    named = {f"somewhere:{n}": each for n, each in enumerate(brokers)}
    return {"name": name, "msg_cnt": queued, "replyq": 1, "brokers": named}


def test_clients_of_a_kind_are_told_together(kind: str) -> None:
    """Queues add up, the slowest round trip stands; the addresses of bootstrap are no brokers."""
    clients = clientstats._Clients()
    clients.heard(kind, told("a", broker(1, p99=9_000), broker(-1, "DOWN")), 0.0)
    clients.heard(kind, told("b", broker(1, p99=2_000)), 1.0)
    assert value("noli_kafka_clients", client=kind) == 2
    assert value("noli_kafka_queue_messages", client=kind) == 6
    labels = {"client": kind, "broker": "1"}
    assert value("noli_kafka_broker_rtt_seconds", **labels, quantile="0.99") == 0.009
    assert value("noli_kafka_broker_requests", **labels) == 6
    assert value("noli_kafka_broker_up", **labels) == 1
    assert value("noli_kafka_broker_up", client=kind, broker="-1") is None


def test_errors_count_what_was_added_since_the_client_told_last(kind: str) -> None:
    """Librdkafka counts from its start; ours rise by the difference, over all clients."""
    clients = clientstats._Clients()
    labels = {"client": kind, "broker": "1", "kind": "timeout"}
    clients.heard(kind, told("a", broker(1)), 0.0)
    assert value("noli_kafka_broker_errors_total", **labels) == 0
    clients.heard(kind, told("a", broker(1, req_timeouts=4)), 5.0)
    clients.heard(kind, told("b", broker(1, req_timeouts=2)), 6.0)
    clients.heard(kind, told("a", broker(1, req_timeouts=5)), 10.0)
    assert value("noli_kafka_broker_errors_total", **labels) == 7


def test_one_client_that_lost_a_broker_shows(kind: str) -> None:
    """`up` is 0 while any client that uses the broker has no connection to it."""
    clients = clientstats._Clients()
    clients.heard(kind, told("a", broker(1)), 0.0)
    clients.heard(kind, told("b", broker(1, "TRY_CONNECT"), broker(2, "INIT")), 0.0)
    assert value("noli_kafka_broker_up", client=kind, broker="1") == 0
    assert value("noli_kafka_broker_up", client=kind, broker="2") is None


def test_a_closed_client_and_its_brokers_are_forgotten(kind: str) -> None:
    """What told nothing for three turns is gone, and so are series only it had."""
    clients = clientstats._Clients()
    clients.heard(kind, told("a", broker(1)), 0.0)
    clients.heard(kind, told("b", broker(2)), 20.0)
    assert value("noli_kafka_clients", client=kind) == 1
    assert value("noli_kafka_broker_up", client=kind, broker="1") is None
    assert value("noli_kafka_broker_up", client=kind, broker="2") == 1


def test_a_members_lag_is_told_where_it_is_known() -> None:
    """Librdkafka says -1 before it knows, and has a partition of its own for what has none."""
    partitions = [(0, 5), (1, -1), (-1, 7)]
    topics = {
        "t": {
            "topic": "t",
            "partitions": {str(n): {"partition": n, "consumer_lag": lag} for n, lag in partitions},
        }
    }
    assert list(clientstats.lags(json.dumps({"topics": topics}))) == [("t", 0, 5)]


# --- delivery -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code, outcome",
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, "not_persisted"),
        (KafkaError.NOT_ENOUGH_REPLICAS, "not_persisted"),
        (KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND, "possibly_persisted"),
        (KafkaError._MSG_TIMED_OUT, "possibly_persisted"),
    ],
)
def test_a_failure_is_certain_only_where_the_broker_says_so(
    kind: str, code: int, outcome: str
) -> None:
    """Whatever is in doubt counts as possibly in the log."""
    kafka.count_failure(kind, KafkaError(code))
    assert value("noli_produce_failures_total", topic=kind, outcome=outcome) == 1


class Appended:
    """A delivery report, as far as the skew looks at it."""

    def __init__(self, kind: int, at: int) -> None:
        self._timestamp = kind, at

    def timestamp(self) -> tuple[int, int]:
        """Kind and moment, ms."""
        return self._timestamp


@pytest.mark.parametrize(
    "at, skew", [(1_000, 0), (1_500, 0), (2_000, 0), (5_000, 3.0), (400, -0.6)]
)
def test_the_brokers_clock_is_wrong_only_as_far_as_proven(at: int, skew: float) -> None:
    """An append between the sending (1 s) and the report (2 s) proves nothing against it."""
    kafka.tell_skew(Appended(TIMESTAMP_LOG_APPEND_TIME, at), 1_000, 2_000)  # type: ignore[arg-type]
    assert value("noli_clock_skew_seconds", peer="broker") == pytest.approx(skew)


def test_a_time_that_we_gave_ourselves_proves_nothing() -> None:
    """Where the topic keeps the producer's time, the skew stays as it was."""
    kafka.tell_skew(Appended(TIMESTAMP_LOG_APPEND_TIME, 1_500), 1_000, 2_000)  # type: ignore[arg-type]
    kafka.tell_skew(Appended(TIMESTAMP_CREATE_TIME, 9_000), 1_000, 2_000)  # type: ignore[arg-type]
    assert value("noli_clock_skew_seconds", peer="broker") == 0


def test_copies_out_of_step_are_counted_against_what_the_topic_demands() -> None:
    """Three copies, two demanded: one away is short, two away shut the partition."""
    cluster = Cluster("id", 3, {}, {"noli.objections": [(3, 3), (3, 2), (3, 1)]})
    copies.tell(cluster)
    short = value("noli_topic_under_replicated_partitions", topic="noli.objections")
    shut = value("noli_topic_under_min_isr_partitions", topic="noli.objections")
    assert (short, shut) == (2, 1)
    copies.tell(Cluster("id", 1, {}, {"noli.objections": [(1, 1)]}))
    assert value("noli_topic_under_min_isr_partitions", topic="noli.objections") == 0


# --- what outlives the process --------------------------------------------------------------------


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A book of violations of its own, and the counter at 0."""
    monkeypatch.setattr(violations, "_book", violations._Book())
    for invariant in Invariant:
        INVARIANT_VIOLATIONS.labels(invariant).reset()
    yield Settings(data=tmp_path, instance="suppress-0")
    for invariant in Invariant:
        INVARIANT_VIOLATIONS.labels(invariant).reset()


def seen(invariant: Invariant) -> float | None:
    """The counter."""
    return value("noli_invariant_violations_total", invariant=invariant.value)


def test_a_violation_that_ends_the_process_is_shown_by_the_next(book: Settings) -> None:
    """Written down before anything else happens; another process of the name goes on from there."""
    violations.resume(book)
    violations.note(Invariant.LOG_WENT_BACK)
    violations.note(Invariant.FOREIGN_RECORD, 3)
    for invariant in Invariant:
        INVARIANT_VIOLATIONS.labels(invariant).reset()
    next_process = violations._Book()
    next_process.open(book.data / "violations-suppress-0.json")
    assert (seen(Invariant.LOG_WENT_BACK), seen(Invariant.FOREIGN_RECORD)) == (1, 3)
    next_process.add(Invariant.FOREIGN_RECORD, 1)
    assert seen(Invariant.FOREIGN_RECORD) == 4


def test_a_damaged_book_stops_nobody(book: Settings) -> None:
    """The count is lost, which is logged; new violations are written down again."""
    path = book.data / "violations-suppress-0.json"
    path.write_text('{"foreign_rec', "utf-8")
    violations.resume(book)
    violations.note(Invariant.BROKEN_SINK)
    assert json.loads(path.read_text("utf-8")) == {"broken_sink": 1}


def test_a_process_without_a_place_counts_all_the_same(book: Settings) -> None:
    """Before `resume`, and in tests, nothing is written."""
    violations.note(Invariant.BROKEN_SINK)
    assert seen(Invariant.BROKEN_SINK) == 1
    assert list(book.data.iterdir()) == []


def rewinds(group: str) -> float | None:
    """The counter of a group."""
    return value("noli_consumer_rewinds_total", group=group)


def test_an_offset_moved_back_while_the_group_was_down_is_noticed(
    tmp_path: Path, kind: str
) -> None:
    """The next process compares with what this one committed; once, not at each assignment."""
    heights = Heights(tmp_path, kind)
    heights.found(("t", 0), None)
    heights.committed({("t", 0): 10})
    assert rewinds(kind) == 0
    after = Heights(tmp_path, kind)
    after.found(("t", 0), 4)
    after.found(("t", 0), 4)
    assert rewinds(kind) == 1


@pytest.mark.parametrize("committed", [10, 11])
def test_commits_of_another_worker_are_no_rewind(tmp_path: Path, kind: str, committed: int) -> None:
    """A partition that comes back further on, or where we left it, was not reset."""
    heights = Heights(tmp_path, kind)
    heights.committed({("t", 0): 10})
    heights.keep()
    Heights(tmp_path, kind).found(("t", 0), committed)
    assert rewinds(kind) == 0


def test_offsets_the_broker_no_longer_has_are_a_rewind(tmp_path: Path, kind: str) -> None:
    """A group that had committed and has nothing committed begins again: somebody must know."""
    heights = Heights(tmp_path, kind)
    heights.committed({("t", 0): 10})
    heights.found(("t", 0), None)
    assert rewinds(kind) == 1
