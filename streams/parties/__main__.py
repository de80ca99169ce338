"""`python -m streams.parties`: one worker of the parties processor."""

from __future__ import annotations

from noli.runtime.pepper import pepper
from streams.parties.step import Parties
from streams.topology import PARTIES
from streams.worker import work

if __name__ == "__main__":
    work(PARTIES, lambda config, codec: Parties(codec, pepper(config)))
