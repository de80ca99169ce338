"""As of when an application holds everything, and what holds it back. Pure.

    as_of = min(newest beacon below its frontier on every partition, the same for facts of persons,
                oldest verdict it is known not to hold, oldest record in quarantine, its pause)

Each of these can only hold it back, and what is not known is not claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from noli.wire.alignment import DEAD_MS, OVERALL, Aligned, Hold, Origin, Why
from noli.wire.apps import App, State
from streams.watch.account import Account, Said
from streams.watch.parties import Parties

#: Names in the detail of a hold; a screen has no room for more.
_NAMES: Final = 10


class Quarantined(NamedTuple):
    """Records nobody has dealt with: how many, and when the log took the first (ms)."""

    records: int = 0
    oldest: int | None = None


class World(NamedTuple):
    """What every watcher must know, beside the receipts. `partitions`: of noli.decisions."""

    partitions: int
    apps: Mapping[str, App]
    quarantined: Quarantined
    parties: Parties

    def added(self, app: str) -> int:
        """When an application was added last (ms); 0 for one that nobody added."""
        return self.apps[app].added if app in self.apps else 0


class Signature(NamedTuple):
    """Who publishes, when (ms), and up to where the receipts were read."""

    watcher: str
    at: int
    origin: Origin


def aligned(account: Account, world: World, sign: Signature, proven: Aligned | None) -> Aligned:
    """An application as it stands. `proven`: as it was published last."""
    app = world.apps.get(account.app) or App(account.app)
    decisions = _decisions(account, world.partitions)
    whole = _with_parties(decisions, world.parties, proven)
    wrong = account.named()
    caps = [
        whole,
        wrong[0].accepted if wrong else None,
        world.quarantined.oldest,
        app.since if app.state is State.PAUSED else None,
    ]
    as_of = None if whole is None else min(cap for cap in caps if cap is not None)
    said = _together(account.said.values())
    return Aligned(
        app=account.app,
        at=sign.at,
        watcher=sign.watcher,
        origin=sign.origin,
        as_of=as_of,
        held_by=tuple(_holds(account, world, app, sign.at)),
        points=tuple(sorted(account.points.values())),
        pending=said.pending,
        oldest_pending=said.oldest_pending,
        failures=said.failures,
        unreadable=said.unreadable,
        last_error=said.last_error,
        next_try=said.next_try,
        paused=said.paused or app.state is State.PAUSED,
        attempts=tuple(account.attempts),
        wrong=tuple(wrong),
        wrong_more=len(account.wrong) - len(wrong),
        reported_at=account.reported_at,
    )


def overall(found: Mapping[str, Aligned], apps: Mapping[str, App], sign: Signature) -> Aligned:
    """All together: every application that was not removed, also one that never said a word."""
    names = {name for name, app in apps.items() if app.state is not State.REMOVED}
    names |= {name for name in found if name not in apps and name != OVERALL}
    each = [found.get(name) or _silent(name, apps, sign) for name in sorted(names)]
    as_ofs = [one.as_of for one in each if one.as_of is not None]
    oldest = [one.oldest_pending for one in each if one.oldest_pending is not None]
    return Aligned(
        app=OVERALL,
        at=sign.at,
        watcher=sign.watcher,
        origin=sign.origin,
        as_of=min(as_ofs) if each and len(as_ofs) == len(each) else None,
        held_by=tuple(_held_together(each)),
        pending=sum(one.pending for one in each),
        oldest_pending=min(oldest, default=None),
        failures=sum(one.failures > 0 for one in each),
        unreadable=sum(one.unreadable for one in each),
        paused=any(one.paused for one in each),
        wrong_more=sum(len(one.wrong) + one.wrong_more for one in each),
    )


def _decisions(account: Account, partitions: int) -> int | None:
    """Newest beacon below the frontier on every partition; None: not known of some."""
    found = [account.points.get(number) for number in range(partitions)]
    known = [point.as_of for point in found if point is not None and point.as_of is not None]
    return min(known) if known and len(known) == partitions else None


def _with_parties(decisions: int | None, parties: Parties, proven: Aligned | None) -> int | None:
    """The same, for what a person said on all contacts too.

    Where the beacons do not reach back so far, what was published stays true as long as the
    application has not gone back on any partition.
    """
    if decisions is None:
        return None
    found = parties.as_of(decisions)
    before = proven.frontier() if proven is not None else None
    if proven is None or proven.as_of is None or before is None or decisions < before:
        return found
    return max(found or 0, min(proven.as_of, decisions))


def _holds(account: Account, world: World, app: App, now: int) -> Iterable[Hold]:
    if account.reported_at is None:
        yield Hold(Why.NOT_REPORTED, app.since or None, 1, None)
    unknown = [n for n in range(world.partitions) if not _knows(account, n)]
    if unknown and account.reported_at is not None:
        yield Hold(Why.PARTITION_UNKNOWN, None, len(unknown), _listed(map(str, unknown)))
    if app.state is State.PAUSED:
        yield Hold(Why.PAUSED, app.since, 1, app.reason)
    if account.wrong:
        causes = sorted({one.outcome for one in account.wrong.values()})
        since = min(one.accepted for one in account.wrong.values())
        yield Hold(Why.WRONG, since, len(account.wrong), _listed(causes))
    if unreadable := sum(said.unreadable for said in account.said.values()):
        yield Hold(Why.UNREADABLE, None, unreadable, None)
    if world.quarantined.records:
        yield Hold(Why.QUARANTINE, world.quarantined.oldest, world.quarantined.records, None)
    fresh = world.parties.newest()
    if fresh is None or fresh < now - DEAD_MS:
        yield Hold(Why.PARTIES, fresh, 1, None)
    if account.reported_at is not None and account.reported_at < now - DEAD_MS:
        yield Hold(Why.DEAD, account.reported_at, 1, None)


def _knows(account: Account, partition: int) -> bool:
    point = account.points.get(partition)
    return point is not None and point.as_of is not None


def _together(said: Iterable[Said]) -> Said:
    """One word of several connectors of an application."""
    each = sorted(said, key=lambda one: one.at)
    oldest = [one.oldest_pending for one in each if one.oldest_pending is not None]
    tries = [one.next_try for one in each if one.next_try is not None]
    errors = [one.last_error for one in each if one.last_error is not None]
    return Said(
        at=max((one.at for one in each), default=0),
        paused=any(one.paused for one in each),
        pending=sum(one.pending for one in each),
        oldest_pending=min(oldest, default=None),
        failures=max((one.failures for one in each), default=0),
        unreadable=sum(one.unreadable for one in each),
        last_error=errors[-1] if errors else None,
        next_try=min(tries, default=None),
    )


def _silent(name: str, apps: Mapping[str, App], sign: Signature) -> Aligned:
    """An application that is registered, and of which nothing was ever heard."""
    since = apps[name].since if name in apps else None
    hold = Hold(Why.NOT_REPORTED, since, 1, None)
    return Aligned(name, sign.at, sign.watcher, sign.origin, None, (hold,))


def _held_together(each: Iterable[Aligned]) -> Iterable[Hold]:
    """By reason: since when, how many applications, which."""
    by_why: dict[str, list[tuple[str, int | None]]] = {}
    for one in each:
        for hold in one.held_by:
            by_why.setdefault(hold.why, []).append((one.app, hold.since))
    for why, held in sorted(by_why.items()):
        since = min((at for _, at in held if at is not None), default=None)
        yield Hold(why, since, len(held), _listed(name for name, _ in held))


def _listed(names: Iterable[str]) -> str:
    first = list(names)
    more = len(first) - _NAMES
    return ", ".join(first[:_NAMES]) + (f" and {more} more" if more > 0 else "")
