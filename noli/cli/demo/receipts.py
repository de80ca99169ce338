"""What the applications confirmed, as `noli.receipts` has it, while it comes in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from noli.runtime.settings import Settings
from noli.runtime.tail import Reading
from schemas.codec import Codec
from schemas.names import RECEIPTS

_CONFIRMED: Final = frozenset({"applied", "verified", "superseded"})
#: How long the reader waits for a record before it looks whether to stop, in seconds.
_WAIT_S: Final = 0.1


@dataclass(slots=True)
class Account:
    """What one application was told, and what it confirmed to hold."""

    known: set[bytes] = field(default_factory=set)
    #: Of those that `Receipts.expect` named: who it was told of, whatever came of it …
    told: set[bytes] = field(default_factory=set)
    #: … and the ms from accepted to applied of the first change that it confirmed.
    confirmed: dict[bytes, int] = field(default_factory=dict)


class Receipts:
    """Accounts by application; filled by a thread of its own."""

    def __init__(self, codec: Codec) -> None:
        self.accounts: dict[str, Account] = {}
        self._codec = codec
        self._since = 0
        self._tokens: AbstractSet[bytes] = frozenset()
        self._news = threading.Condition()
        self._failure: BaseException | None = None

    def expect(self, tokens: AbstractSet[bytes], since: int) -> None:
        """Count from zero: these contacts, and only changes accepted at `since` (ms) or later."""
        with self._news:
            self._tokens, self._since = tokens, since
            for account in self.accounts.values():
                account.told, account.confirmed = set(), {}

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
        record, receipt = self._codec.decode(value)
        if record != "noli.Receipt":
            return  # how far it is: no contact in it
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
        applied = change["outcome"] in _CONFIRMED
        if applied:
            account.known.add(token)
        if change["outcome"] == "drifted":  # confirmed, and not so: it is not known there
            account.known.discard(token)
            account.confirmed.pop(token, None)
        if token in self._tokens and change["accepted"] >= self._since:
            account.told.add(token)
            if applied:
                account.confirmed.setdefault(token, at - change["accepted"])


@contextmanager
def followed(settings: Settings, codec: Codec) -> Iterator[Receipts]:
    """Receipts that fill while the block runs."""
    receipts = Receipts(codec)
    stop = threading.Event()
    reader = threading.Thread(
        target=receipts.follow, args=(Reading(settings, RECEIPTS), stop), name="receipts"
    )
    reader.start()
    try:
        yield receipts
    finally:
        stop.set()
        reader.join()
