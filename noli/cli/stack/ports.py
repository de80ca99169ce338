"""Free ports for the parts of a stack, kept from one start to the next where still free."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from noli.cli.problem import ProblemError

HOST: Final = "127.0.0.1"
_LOWEST: Final = 15_000
#: Where Linux begins its ephemeral ports when nobody changed it.
_EPHEMERAL: Final = 32_768
_EPHEMERAL_FILE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES: Final = 200


def choose(names: Iterable[str], earlier: Mapping[str, int] | None = None) -> dict[str, int]:
    """A port per name on the loopback address: the earlier one if it is free, else a random one.

    Below the ephemeral range on purpose. A port is released while its process restarts; were it
    ephemeral, an outgoing connection of anybody could hold it then, or a client retrying it could
    connect to itself.
    """
    chosen: dict[str, int] = {}
    for name in names:
        kept = (earlier or {}).get(name)
        if kept is not None and kept not in chosen.values() and is_free(kept):
            chosen[name] = kept
        else:
            chosen[name] = _random_free(set(chosen.values()))
    return chosen


def is_free(port: int) -> bool:
    """Whether somebody could listen on that loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _random_free(taken: set[int]) -> int:
    highest = max(_ephemeral_start() - 1, _LOWEST + 1_000)
    for _ in range(_TRIES):
        port = random.randint(_LOWEST, highest)  # noqa: S311 - no secret
        if port not in taken and is_free(port):
            return port
    raise ProblemError(
        f"no free port found on {HOST} between {_LOWEST} and {highest}",
        "see what listens there (ss -ltn) and whether this user may bind loopback ports",
    )


def _ephemeral_start() -> int:
    try:
        return int(_EPHEMERAL_FILE.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _EPHEMERAL  # not Linux, or hidden by a sandbox
