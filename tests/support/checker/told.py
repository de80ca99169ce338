"""One application's own log, swept once in time: versions, lifts, ghosts, receipts, watermarks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final

from tests.support.checker.facts import Pair
from tests.support.checker.findings import Category, Finding
from tests.support.checker.model import Known, Law
from tests.support.checker.records import (
    Aligned,
    Bounds,
    Decided,
    History,
    Receipt,
    Restored,
    Told,
)

#: Receipts that say that the application has it.
_HAS: Final = frozenset({"applied", "verified"})

#: Under which name all applications together are published.
EVERYBODY: Final = "*"

Event = Told | Restored | Receipt | Aligned


class Decisions:
    """What is known of each version from the decision itself."""

    def __init__(self, law: Law, decided: Iterable[Decided]) -> None:
        #: (contact, version) → when it stood in the log: what it says is of before.
        self._at: dict[tuple[str, int], int] = {}
        #: Contact → (version, the denial that caused it), by version.
        self._causes: dict[str, list[tuple[int, Known]]] = defaultdict(list)
        for each in decided:
            if each.contact is None:
                continue
            self._at[each.contact, each.version] = each.at
            # Sure only where it is the one fact accepted at that very moment.
            behind = [k for k in law.of(each.contact) if each.accepted in {k.first[1], k.last[1]}]
            if len(behind) == 1 and behind[0].fact.denies:
                self._causes[each.contact].append((each.version, behind[0]))
        for caused in self._causes.values():
            caused.sort(key=itemgetter(0))

    def at(self, told: Told, skew_ms: int) -> int:
        """Until when the log can have taken what an arrival says."""
        return min(told.at, self._at.get((told.contact, told.version), told.at)) + skew_ms

    def unknown(self, told: Told) -> bool:
        """Whether there are decisions, and none of that version."""
        return bool(self._at) and (told.contact, told.version) not in self._at

    def caused(self, contact: str) -> Sequence[tuple[int, Known]]:
        """Versions of a contact and the denial each surely holds, by version."""
        return self._causes.get(contact, ())


def sweep(
    law: Law, decisions: Decisions, bounds: Bounds, events: Iterable[Event]
) -> Iterator[Finding]:
    """All events of one application; arrivals in the order of its own log."""
    application = _Application(law, decisions, bounds)
    # At one moment the application acts before others speak of it.
    for event in sorted(events, key=lambda e: (e.at, isinstance(e, Receipt | Aligned))):
        match event:
            case Told():
                yield from application.told(event)
            case Restored():
                application.restored(event)
            case Receipt():
                yield from application.receipt(event)
            case Aligned():
                yield from application.aligned(event)


def published(
    law: Law, decisions: Decisions, bounds: Bounds, history: History
) -> Iterator[Finding]:
    """LYING and NONMONOTONIC of what was published, of each application and of all together.

    `law`: with the facts of persons, of which it speaks too.
    """
    for app in {told.app for told in history.arrivals}:
        arrivals = [told for told in history.arrivals if told.app == app]
        for name in (app, EVERYBODY):
            words = [Aligned(app, *p[1:]) for p in history.published if p.app == name]
            for events in by_application(arrivals, words, bounds.skew_ms).values():
                for finding in sweep(law, decisions, bounds, events) if words else ():
                    if isinstance(finding.witness[-1], Aligned):
                        yield finding._replace(what=f"published of {name}: {finding.what}")


class _Application:
    """What an application holds as the sweep goes on, and which denials it must have by now."""

    def __init__(self, law: Law, decisions: Decisions, bounds: Bounds) -> None:
        self._law = law
        self._decisions = decisions
        #: How many of its causes a contact's application was told of.
        self._told_of: dict[str, int] = defaultdict(int)
        self._bounds = bounds
        self._held: dict[str, Told] = {}
        self._log: list[Told] = []
        #: Whom a backup took back, until told again: nobody can know before the next read-back.
        self._rewound: set[str] = set()
        #: Denials that the application was said to have, by contact.
        self._armed: dict[str, list[Known]] = defaultdict(list)
        self._to_arm = [d for d in law.denials if d[2].topic in bounds.covered]
        self._next = 0
        #: Pair → the first arrival that denied it naming an objection, by contact.
        self._named: dict[str, dict[Pair, Told]] = defaultdict(dict)
        self._as_of: Aligned | None = None

    def told(self, told: Told) -> Iterator[Finding]:
        """An arrival."""
        if not told.taken:
            return
        before = self._held.get(told.contact)
        if before is not None:
            yield from _order(before, told)
        self._held[told.contact] = told
        self._log.append(told)
        self._rewound.discard(told.contact)
        self._arm(told)
        if self._decisions.unknown(told):
            yield Finding(Category.GHOST, "told of a version that nobody decided", (told,))
        for pair in told.allowed:
            yield from self._allowed(told, pair)
        named = self._named[told.contact]
        for pair in told.objected:
            named.setdefault(pair, told)

    def restored(self, restored: Restored) -> None:
        """Back to a backup."""
        self._log = [told for told in self._log if told.at <= restored.back_to]
        before, self._held = self._held, {told.contact: told for told in self._log}
        self._rewound |= {c for c, told in before.items() if self._held.get(c) is not told}

    def receipt(self, receipt: Receipt) -> Iterator[Finding]:
        """UNAPPLIED: a receipt implies that the application has that version, or a newer one."""
        if receipt.outcome not in _HAS or receipt.contact in self._rewound:
            return
        held = self._held.get(receipt.contact)
        if held is None or held.version < receipt.version:
            witness = (receipt,) if held is None else (held, receipt)
            yield Finding(Category.UNAPPLIED, "a receipt of what was not applied", witness)

    def aligned(self, aligned: Aligned) -> Iterator[Finding]:
        """LYING: every denial the log took before `as_of` must hold here now."""
        if aligned.as_of is None:
            return
        before, by = self._as_of, aligned.at + self._bounds.skew_ms
        if before is not None and aligned.as_of < (before.as_of or 0) and not aligned.held_by:
            yield Finding(Category.NONMONOTONIC, "a watermark goes back", (before, aligned))
        self._as_of = aligned
        while self._next < len(self._to_arm) and self._to_arm[self._next][0] < aligned.as_of:
            _, contact, denial = self._to_arm[self._next]
            self._next += 1
            self._armed[contact].append(denial)
            held = self._held.get(contact)
            if held is None or contact in self._rewound:
                continue
            if any(self._law.standing(contact, pair, denial, by) for pair in held.allowed):
                yield Finding(Category.LYING, "said to be aligned while it allows what was denied",
                              (denial.fact, held, aligned))  # fmt: skip

    def _arm(self, told: Told) -> None:
        """The denials that this version, or one before it, was decided for."""
        caused = self._decisions.caused(told.contact)
        while (at := self._told_of[told.contact]) < len(caused) and caused[at][0] <= told.version:
            self._told_of[told.contact] += 1
            self._armed[told.contact].append(caused[at][1])

    def _allowed(self, told: Told, pair: Pair) -> Iterator[Finding]:
        """LIFTED and GHOST: what allows needs a consent later than what denied it, and a basis."""
        by, contact = self._decisions.at(told, self._bounds.skew_ms), told.contact
        for denial in self._armed.get(contact, ()):
            if self._law.standing(contact, pair, denial, by):
                yield Finding(
                    Category.LIFTED,
                    f"{pair} is allowed again, and no consent is later",
                    (denial.fact, told),
                )
                return
        earlier = self._named[contact].get(pair)
        if earlier is not None and not self._could_lift(earlier, pair, by):
            yield Finding(
                Category.LIFTED,
                f"{pair} was denied by an objection and is allowed again",
                (earlier, told),
            )
        elif not self._law.based(contact, pair, by):
            yield Finding(Category.GHOST, f"{pair} is allowed on no basis in the log", (told,))

    def _could_lift(self, earlier: Told, pair: Pair, by: int) -> bool:
        """Whether one of the denials that `earlier` can have meant may be lifted by now."""
        until = self._decisions.at(earlier, self._bounds.skew_ms)
        meant = [k for k in self._law.of(earlier.contact) if k.fact.denies and k.at <= until
                 and pair[0] in k.fact.channels and pair[1] in k.fact.purposes]  # fmt: skip
        return any(not self._law.standing(earlier.contact, pair, k, by) for k in meant)


def _order(before: Told, told: Told) -> Iterator[Finding]:
    """NONMONOTONIC, FORKED: versions rise, and one version says one thing."""
    if told.version < before.version:
        yield Finding(Category.NONMONOTONIC, "an older version was taken", (before, told))
    elif told.version == before.version and told.allowed != before.allowed:
        yield Finding(Category.FORKED, "one version, two meanings", (before, told))


def by_application(
    arrivals: Sequence[Told | Restored], others: Sequence[Receipt | Aligned], skew_ms: int
) -> Mapping[str, list[Event]]:
    """Events of each application. What others say may bear a clock that is behind by the skew.

    An application's own log is in order, also where its clock went back.
    """
    found: dict[str, list[Event]] = defaultdict(list)
    clock: dict[str, int] = {}
    for arrival in arrivals:
        clock[arrival.app] = at = max(arrival.at, clock.get(arrival.app, arrival.at))
        found[arrival.app].append(arrival if arrival.at == at else arrival._replace(at=at))
    for other in others:
        found[other.app].append(other._replace(at=other.at + skew_ms))
    return found
