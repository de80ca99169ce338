"""librdkafka's statistics of every client, as metrics of this process.

A client's own poll hands them over every few seconds, on whatever thread polls. Clients of one kind
are told together, so their number does not multiply the series; the slowest stands for its kind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import orjson

from noli.runtime.clock import steady
from noli.runtime.metrics import librdkafka as metrics

#: How often each client tells, in ms.
INTERVAL_MS: Final = 5_000
#: A client that told nothing for so long was closed, in seconds: three of its turns.
_GONE_S: Final = 15.0
_US_PER_S: Final = 1_000_000
#: Quantiles of the round trip, by librdkafka's name.
_RTT: Final = {"p50": "0.5", "p99": "0.99"}
#: Kinds of trouble, by librdkafka's name; it counts them from the client's start.
_ERRORS: Final = {
    "txerrs": "tx",
    "rxerrs": "rx",
    "req_timeouts": "timeout",
    "txretries": "retry",
    "disconnects": "disconnect",
}
#: States of a broker nobody needed yet.
_UNUSED: Final = frozenset({"INIT"})

Statistics = Mapping[str, Any]


class _Told(NamedTuple):
    """What a client told last, and when (steady clock)."""

    kind: str
    at: float
    said: Statistics


class _Clients:
    """What every client of the process told last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, _Told] = {}
        self._shown: dict[str, set[str]] = {}

    def heard(self, kind: str, said: Statistics, now: float) -> None:
        """A client of a kind told its statistics."""
        with self._lock:
            before = self._told.get(said["name"])
            self._count(kind, said, before.said if before else {})
            self._told[said["name"]] = _Told(kind, now, said)
            gone = {name for name, told in self._told.items() if now - told.at > _GONE_S}
            kinds = {kind, *(self._told.pop(name).kind for name in gone)}
            for each in kinds:
                self._show(each)

    def _count(self, kind: str, said: Statistics, before: Statistics) -> None:
        """Errors since the client told last."""
        earlier = before.get("brokers", {})
        for name, now in said["brokers"].items():
            if now["nodeid"] >= 0:
                for theirs, ours in _ERRORS.items():
                    more = now[theirs] - earlier.get(name, {}).get(theirs, 0)
                    metrics.ERRORS.labels(kind, str(now["nodeid"]), ours).inc(max(0, more))

    def _show(self, kind: str) -> None:
        clients = [told.said for told in self._told.values() if told.kind == kind]
        metrics.CLIENTS.labels(kind).set(len(clients))
        metrics.QUEUED.labels(kind).set(sum(said["msg_cnt"] for said in clients))
        metrics.WAITING_OPS.labels(kind).set(sum(said["replyq"] for said in clients))
        brokers: dict[str, list[Statistics]] = {}
        for said in clients:
            for broker in said["brokers"].values():
                # Below 0: an address that brokers were found by, not one of them.
                if broker["nodeid"] >= 0 and broker["state"] not in _UNUSED:
                    brokers.setdefault(str(broker["nodeid"]), []).append(broker)
        for number, seen in brokers.items():
            _show_broker(kind, number, seen)
        for number in self._shown.get(kind, set()) - brokers.keys():
            for gauge in (metrics.UP, metrics.REQUESTS):
                gauge.remove(kind, number)
            for quantile in _RTT.values():
                metrics.RTT.remove(kind, number, quantile)
        self._shown[kind] = set(brokers)


def _show_broker(kind: str, number: str, seen: list[Statistics]) -> None:
    metrics.UP.labels(kind, number).set(all(each["state"] == "UP" for each in seen))
    requests = sum(each["outbuf_cnt"] + each["waitresp_cnt"] for each in seen)
    metrics.REQUESTS.labels(kind, number).set(requests)
    for theirs, quantile in _RTT.items():
        slowest = max(each["rtt"][theirs] for each in seen)
        metrics.RTT.labels(kind, number, quantile).set(slowest / _US_PER_S)


_clients: Final = _Clients()


def observed(kind: str) -> dict[str, Any]:
    """Properties of a client whose statistics are told; `kind`: producer, member, reader.

    Only for one that is polled for ever: what nobody polls waits in its memory.
    """
    return {"statistics.interval.ms": INTERVAL_MS, "stats_cb": heard_by(kind)}


def lags(text: str) -> Iterator[tuple[str, int, int]]:
    """Topic, partition and records behind the end, where a member of a group knows it."""
    for topic in orjson.loads(text)["topics"].values():
        for partition in topic["partitions"].values():
            if partition["partition"] >= 0 and partition["consumer_lag"] >= 0:
                yield topic["topic"], partition["partition"], partition["consumer_lag"]


def heard_by(kind: str) -> Callable[[str], None]:
    """What a client of this kind calls with its statistics."""

    def hear(text: str) -> None:
        _clients.heard(kind, orjson.loads(text), steady())

    return hear
