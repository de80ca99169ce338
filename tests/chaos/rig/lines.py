"""Faults of the lines between processes: slow, narrow, torn, cut, one-way, clogged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from tests.chaos.rig.faults import Chance, Put
from tests.chaos.rig.kafka import INTERNAL, pair
from tests.chaos.rig.lab import SCRIPTED, TABLE, Rig
from tests.support.blackbox import until

#: What a slow, narrow, torn or cut line is: kind, direction, attributes.
TOXICS: Final[dict[str, list[tuple[str, str, dict[str, int]]]]] = {
    "slow": [
        ("latency", "downstream", {"latency": 400, "jitter": 200}),
        ("latency", "upstream", {"latency": 100, "jitter": 50}),
    ],
    "very slow": [("latency", "downstream", {"latency": 5_000})],
    "1 KB/s": [
        ("bandwidth", "downstream", {"rate": 1}),
        ("bandwidth", "upstream", {"rate": 1}),
    ],
    "sliced": [
        ("slicer", "downstream", {"average_size": 40, "size_variation": 20, "delay": 2_000})
    ],
    "reset": [("reset_peer", "downstream", {"timeout": 300})],
    "black hole": [
        ("timeout", "downstream", {"timeout": 0}),
        ("timeout", "upstream", {"timeout": 0}),
    ],
    "one way, nothing arrives": [("timeout", "upstream", {"timeout": 0})],
    "one way, no answer": [("timeout", "downstream", {"timeout": 0})],
    "cut in mid-answer": [("limit_data", "downstream", {"bytes": 2_000})],
}


def proxies(rig: Rig, kind: str) -> list[str]:
    """The proxies between a class of clients and every broker."""
    return [pair(kind, node.number) for node in rig.cluster.brokers]


def line(*kinds: str, names: Callable[[Rig], list[str]] | None = None) -> Put:
    """A toxic on every proxy of one of these classes of clients, or on those `names` tells."""

    @contextmanager
    def put(rig: Rig, chance: Chance) -> Iterator[str]:
        kind = chance.choice(kinds) if kinds else ""
        found = names(rig) if names else proxies(rig, kind)
        what = chance.choice(list(TOXICS))
        for proxy in found:
            for toxic, stream, attributes in TOXICS[what]:
                rig.proxy.toxic(proxy, toxic, stream, **attributes)
        try:
            yield f"{kind or ', '.join(found)}: {what}"
        finally:
            for proxy in found:
                rig.proxy.clean(proxy)

    return put


@contextmanager
def swizzle(rig: Rig, chance: Chance) -> Iterator[str]:
    """Clog the pairs one after the other, then let them go in another order (FoundationDB's)."""
    names = [p for kind in ("INTAKE", "PROC", "CONN", "READ") for p in proxies(rig, kind)]
    names += [SCRIPTED, TABLE, "registry"]
    chosen = chance.sample(names, min(len(names), 5))
    pause = threading.Event()
    for name in chosen:
        rig.proxy.down(name)
        pause.wait(0.4)
    try:
        yield ", ".join(chosen)
    finally:
        for name in chance.sample(chosen, len(chosen)):
            rig.proxy.up(name)
            pause.wait(0.4)


def down(*names: str) -> Put:
    """Nobody listens there."""

    @contextmanager
    def put(rig: Rig, _chance: Chance) -> Iterator[str]:
        for name in names:
            rig.proxy.down(name)
        try:
            yield ", ".join(names)
        finally:
            for name in names:
                rig.proxy.up(name)

    return put


@contextmanager
def isolated(rig: Rig, chance: Chance) -> Iterator[str]:
    """Nobody fetches from one broker any more: it loses its followers, or its leadership."""
    node = chance.choice(rig.cluster.brokers)
    name = pair(INTERNAL, node.number)
    rig.proxy.down(name)
    try:
        yield name
    finally:
        rig.proxy.up(name)
        until(rig.cluster.whole, "the brokers together again", 60.0)
