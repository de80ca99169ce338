"""librdkafka's own statistics, summed over the clients of one kind in this process."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from noli.runtime.metrics.exposition import REGISTRY

# --- librdkafka: every client's own statistics ----------------------------------------------------

#: Clients of this process, by kind: producer, member (of a group), reader, admin.
CLIENTS = Gauge(
    "noli_kafka_clients", "Clients that tell statistics.", ["client"], registry=REGISTRY
)
#: Records in the producers' queues. Growing: the broker does not keep up.
QUEUED = Gauge(
    "noli_kafka_queue_messages", "Records that wait to be sent.", ["client"], registry=REGISTRY
)
#: Events that wait for the application's poll. Growing: this process's loop is stuck.
WAITING_OPS = Gauge(
    "noli_kafka_queue_operations",
    "Reports and answers that wait to be taken.",
    ["client"],
    registry=REGISTRY,
)
#: Round trip of requests, of the slowest client; the median and the 99th of a hundred.
RTT = Gauge(
    "noli_kafka_broker_rtt_seconds",
    "Round trip to a broker, by quantile: 0.5, 0.99.",
    ["client", "broker", "quantile"],
    registry=REGISTRY,
)
#: 0: a client of this kind has no connection to that broker.
UP = Gauge(
    "noli_kafka_broker_up",
    "Whether every client that uses this broker is connected to it.",
    ["client", "broker"],
    registry=REGISTRY,
)
#: Requests written or waiting for their answer.
REQUESTS = Gauge(
    "noli_kafka_broker_requests", "Requests under way.", ["client", "broker"], registry=REGISTRY
)
#: By kind: tx (could not be sent), rx (unreadable answer), timeout, retry, disconnect. Rising: the
#: network or the broker; all kinds at once: the broker was restarted.
ERRORS = Counter(
    "noli_kafka_broker_errors_total",
    "Trouble with a broker, by kind: tx, rx, timeout, retry, disconnect.",
    ["client", "broker", "kind"],
    registry=REGISTRY,
)
