"""What the applications confirmed, as `noli.receipts` has it, while it comes in."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from noli.runtime.settings import Settings
from noli.runtime.tail import Reading
from schemas.codec import Codec

TOPIC: Final = "noli.receipts"
_CONFIRMED: Final = frozenset({"applied", "verified", "superseded"})
#: How long the reader waits for a record before it looks whether to stop, in seconds.
_WAIT_S: Final = 0.1


@dataclass(slots=True)
class Account:
    """One application: whom it confirmed to know, and how fast the opt-outs were confirmed."""

    known: set[bytes] = field(default_factory=set)
    #: Token → ms from accepted to applied, of its first change accepted since `Receipts.mark`.
    opted_out: dict[bytes, int] = field(default_factory=dict)
    refused: set[bytes] = field(default_factory=set)


class Receipts:
    """Accounts by application; filled by a thread of its own."""

    def __init__(self, codec: Codec) -> None:
        self.accounts: dict[str, Account] = {}
        self._codec = codec
        self._since: int | None = None
        self._news = threading.Condition()
        self._failure: BaseException | None = None

    def mark(self, since: int) -> None:
        """From now on, changes accepted at `since` (ms) or later are opt-outs."""
        with self._news:
            self._since = since

    def wait(self, done: Callable[[Mapping[str, Account]], bool], deadline_s: float) -> bool:
        """Block until `done(accounts)`; False after `deadline_s` seconds."""
        with self._news:
            found = self._news.wait_for(
                lambda: self._failure is not None or done(self.accounts), deadline_s
            )
            if self._failure is not None:
                raise RuntimeError("the receipts cannot be read") from self._failure
            return found

    def take(self, value: bytes) -> None:
        """One record of the topic."""
        receipt: Mapping[str, Any] = self._codec.decode(value)[1]
        with self._news:
            account = self.accounts.setdefault(receipt["app"], Account())
            for change in receipt["changes"]:
                self._enter(account, change, receipt["at"])
            self._news.notify_all()

    def follow(self, reading: Reading, stop: threading.Event) -> None:
        """Read until told to stop; whoever waits learns of a failure."""
        try:
            while not stop.is_set():
                for record in reading.take(_WAIT_S):
                    if record.value is not None:
                        self.take(record.value)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            with self._news:
                self._failure = error
                self._news.notify_all()
        finally:
            reading.close()

    def _enter(self, account: Account, change: Mapping[str, Any], at: int) -> None:
        token: bytes = change["token"]
        if change["outcome"] not in _CONFIRMED:
            account.refused.add(token)
            return
        account.known.add(token)
        if self._since is not None and change["accepted"] >= self._since:
            account.opted_out.setdefault(token, at - change["accepted"])


@contextmanager
def followed(settings: Settings, codec: Codec) -> Iterator[Receipts]:
    """Receipts that fill while the block runs."""
    receipts = Receipts(codec)
    stop = threading.Event()
    reader = threading.Thread(
        target=receipts.follow, args=(Reading(settings, TOPIC), stop), name="receipts"
    )
    reader.start()
    try:
        yield receipts
    finally:
        stop.set()
        reader.join()


def percentile(values: list[int], percent: int) -> float:
    """The value that `percent` of all do not exceed, interpolated; needs one value at least."""
    if len(values) == 1:
        return float(values[0])
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
