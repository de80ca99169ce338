"""`python -m streams.suppress`: one worker of the suppress processor."""

from __future__ import annotations

from noli.domain.policy import Policy
from streams.suppress.step import Suppress
from streams.topology import SUPPRESS
from streams.worker import work

if __name__ == "__main__":
    work(SUPPRESS, lambda _config, codec: Suppress(codec, Policy()))
