"""What a watcher tells of campaigns, put into a copy made by hand."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from noli.domain.campaigns import Counts
from noli.replica import store as copies
from noli.replica.ratios import Board, put
from noli.replica.store import Store
from noli.wire.campaigns import Campaign, campaign_key, campaign_record
from schemas.names import BEACON_KEY
from tests.support.copies import CODEC, CONTROLLER, NOW, Message


def told(
    name: str, *, silent: int = 0, attended: int = 0, over: bool = False, partition: int = 0
) -> Message:
    """A record of noli.campaigns."""
    found = Campaign(CONTROLLER, name, NOW, Counts(attended, silent), over)
    value = CODEC.encode("noli.Campaign", campaign_record(found, "watch-0"))
    return Message(partition, 0, campaign_key(CONTROLLER, name), value)


def beacon(as_of: int = NOW, partition: int = 0) -> Message:
    """The watcher's sign of life."""
    record = {
        "partition": partition, "as_of": as_of, "at": as_of, "read": 0, "watcher": "watch-0",
    }  # fmt: skip
    return Message(partition, 0, BEACON_KEY, CODEC.encode("noli.CampaignBeacon", record))


def write(copy: Path, over: Mapping[str, bool], as_of: int | None = NOW) -> None:
    """Put campaigns into the copy, as the writer does."""
    board = Board(CODEC, 1)
    board.take([told(name, silent=4, over=is_over) for name, is_over in over.items()])
    if as_of is not None:
        board.take([beacon(as_of)])
    board.reached(0)
    generation = copies.current(copy)
    assert generation is not None
    with closing(Store(generation, write=True, durable=False)) as store:
        put(store, board.ratios(), None, as_of or 0)


def write_beside(copy: Path, over: Mapping[str, bool], as_of: int = NOW) -> None:
    """As `write`, by another process: LMDB opens a copy once in each."""
    writer = multiprocessing.get_context("spawn").Process(target=write, args=(copy, over, as_of))
    writer.start()
    writer.join()
    assert writer.exitcode == 0
