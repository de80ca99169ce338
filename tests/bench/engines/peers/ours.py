"""`streams.suppress` itself, on the bench's topics."""

from __future__ import annotations

import os

import streams.topology
from noli.domain.policy import Policy
from noli.runtime.part import Topology
from streams.worker import work


def main() -> None:
    """Name the topics, then run the worker as `python -m streams.suppress` does."""
    names = Topology(
        group=os.environ["BENCH_APP"],
        lanes=(os.environ["BENCH_INPUT"],),
        state=os.environ["BENCH_STATE"],
        decisions=os.environ["BENCH_OUTPUT"],
    )
    vars(streams.topology)["SUPPRESS"] = names  # before anybody imported it
    from streams.suppress.step import Suppress  # noqa: PLC0415 - after the names

    work(names, lambda _config, codec: Suppress(codec, Policy()))


if __name__ == "__main__":
    main()
