"""One partition of `noli.receipts` in the hands of a watcher: its applications, and how far it is.

What stands in `noli.alignment` is the only memory. A watcher that gets a partition takes every
application up where it was published last, reads the receipts from the lowest of these places to
the end, and from then on takes one record after the other. Offsets that Faust committed decide
nothing: what was taken is passed over, what is missing is read from the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from noli.runtime.logging import get_logger
from noli.wire.alignment import Aligned, Origin
from noli.wire.apps import State
from schemas.codec import Codec, UnreadableError
from streams.watch.account import Account
from streams.watch.alignment import Signature, World, aligned
from streams.watch.hands import Read


class Book:
    """The partition. `position`: the next record to take; all below it is accounted for."""

    def __init__(
        self, partition: int, codec: Codec, known: Mapping[str, Aligned], world: World
    ) -> None:
        self.partition = partition
        self._codec = codec
        ours = {app: one for app, one in known.items() if one.origin.partition == partition}
        self._accounts = {app: Account.restored(one) for app, one in ours.items()}
        #: Below this the account of an application has it already.
        self._origins = {app: one.origin.begin for app, one in ours.items()}
        self._published: dict[str, Aligned] = ours
        living = [one.origin.begin for one in ours.values() if not _is_removed(one.app, world)]
        self.position = min(living, default=0)
        self._fresh = True

    def catch_up(self, read: Read) -> None:
        """Take everything from `position` to the end of the log. Blocks."""
        for record in read(self.position):
            self.take(record.offset, record.value)

    def take(self, offset: int, value: bytes | None, key: bytes | None = None) -> None:
        """Take the record at `offset`, the next one or a later one; an earlier one was taken.

        The record says whose it is, so its `key` says nothing more.
        """
        del key
        if offset < self.position:
            return
        self.position = offset + 1
        self._fresh = True
        try:
            name, datum = self._codec.decode(value)
        except UnreadableError as error:
            # Of a newer build, or no record of ours: it confirms nothing, so nothing moves.
            place = f"{self.partition}:{offset}"
            get_logger().error("receipt.unreadable", place=place, why=str(error))
            return
        app = datum.get("app")
        if app is None or offset < self._origins.get(app, 0):
            return
        self._accounts.setdefault(app, Account(app)).take(offset, name, datum)

    def publishable(self, world: World, watcher: str, now: int) -> list[Aligned]:
        """What is to be published: every application of the partition, or nothing if all stands.

        All of them each time: the lowest origin in the log is then where the next owner begins.
        """
        found = []
        for app, account in sorted(self._accounts.items()):
            if _is_removed(app, world):
                continue
            if world.added(app) > (account.reported_at or 0):
                account.forget_points()
            origin = Origin(self.partition, self.position, account.needed())
            sign = Signature(watcher, now, origin)
            found.append(aligned(account, world, sign, self._published.get(app)))
        same = all(_same(self._published.get(one.app), one) for one in found)
        return [] if same and not self._fresh else found

    def published(self, found: Iterable[Aligned]) -> None:
        """These are in the log."""
        self._fresh = False
        self._published |= {one.app: one for one in found}


def _is_removed(app: str, world: World) -> bool:
    return app in world.apps and world.apps[app].state is State.REMOVED


def _same(known: Aligned | None, found: Aligned) -> bool:
    """Whether a reader would learn nothing from it."""
    return known is not None and (known.as_of, known.held_by) == (found.as_of, found.held_by)
