"""`streams.suppress` itself, on the bench's topics; `BENCH_MEMO=0` takes its memo of states away.

The memo keeps decoded states of recent contacts. A bench that returns to each contact soon would
owe it too much, so the table shows both.
"""

from __future__ import annotations

import os

import streams.topology
from noli.domain.policy import Policy
from noli.runtime import part
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
    if os.environ.get("BENCH_MEMO") == "0":
        vars(part)["_MEMO_SIZE"] = 0  # cleared after every batch
    from streams.suppress.step import Suppress  # noqa: PLC0415 - after the names

    work(names, lambda _config, codec: Suppress(codec, Policy()))


if __name__ == "__main__":
    main()
