"""At rest, everything healed and drained: each application against the model and the decisions."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final

from tests.support.checker.facts import Pair
from tests.support.checker.findings import Category, Finding
from tests.support.checker.model import Bound, Law
from tests.support.checker.records import Counted, Decided, Digest, Held, Scope, Told

#: What the decisions topic is called as a holder of verdicts.
DECISIONS: Final = "noli.decisions"


def dump(law: Law, app: str, held: Mapping[str, Held], scope: Scope) -> Iterator[Finding]:
    """GHOST, UNSEEN and WITHHELD: what is held at the end against everything in the log."""
    for contact in held.keys() - set(law.contacts):
        yield Finding(Category.GHOST, f"{app} holds somebody the log never named",
                      (contact, held[contact]))  # fmt: skip
    for contact in law.contacts:
        found = held.get(contact)
        allowed: frozenset[Pair] = found.allowed if found else frozenset()
        for pair in allowed:
            if law.bound(contact, pair) is Bound.DENIED:
                said = [known.fact for known in law.of(contact)]
                yield Finding(Category.UNSEEN, f"at rest {app} allows {pair}, which is denied",
                              (contact, *said, found))  # fmt: skip
                break
        for pair in law.sure_pairs(contact) - allowed:
            served = pair[0] in scope.channels and pair[1] in scope.purposes
            if served and law.bound(contact, pair) is Bound.ALLOWED:
                said = [known.fact for known in law.of(contact)]
                yield Finding(Category.WITHHELD, f"at rest {app} denies {pair}, which is allowed",
                              (contact, *said, found))  # fmt: skip
                break


def settled(
    app: str,
    held: Mapping[str, Held],
    newest: Mapping[str, Decided],
    rejected: Container[tuple[str, int]],
) -> Iterator[Finding]:
    """UNSETTLED, GHOST: the application is at the newest decision of each contact it was told of.

    `rejected`: changes (contact, version) it can never take, by a receipt that says so.
    """
    for contact, found in held.items():
        decided = newest.get(contact)
        if decided is None or found.version > decided.version:
            yield Finding(Category.GHOST, f"{app} holds a version that nobody decided",
                          (contact, found, decided))  # fmt: skip
        elif found.version < decided.version and (contact, decided.version) not in rejected:
            yield Finding(Category.UNSETTLED, f"at rest {app} is not at the newest decision",
                          (found, decided))  # fmt: skip


def counted(counts: Iterable[Counted]) -> Iterator[Finding]:
    """UNBALANCED, UNSETTLED: nothing leaves the books."""
    for count in counts:
        if count.accepted != (
            count.applied + count.superseded + count.in_flight + count.quarantined
        ):
            yield Finding(Category.UNBALANCED, "accepted is not the sum of what came of it",
                          (count,))  # fmt: skip
        if count.in_flight:
            yield Finding(Category.UNSETTLED, "in flight at rest", (count,))


def digests(found: Iterable[Digest]) -> Iterator[Finding]:
    """DIVERGED: two ways to one state give one state."""
    for digest in found:
        if digest.left != digest.right:
            yield Finding(Category.DIVERGED, digest.what, (digest,))


def effective(decided: Iterable[Decided]) -> tuple[list[Decided], list[Finding]]:
    """The decisions that readers do not pass over, and OVERWRITTEN where the last one is none.

    A record of a lower epoch than the highest claim before it counts for nobody; yet compaction
    keeps the last record of a key, whoever wrote it.
    """
    claimed: dict[int, int] = {}
    valid: list[Decided] = []
    newest: dict[str, Decided] = {}
    last: dict[str, Decided] = {}
    for record in sorted(decided, key=lambda each: (each.partition, each.offset)):
        if record.contact is None:
            claimed[record.partition] = max(claimed.get(record.partition, 0), record.epoch)
            continue
        last[record.contact] = record
        if record.epoch >= claimed.get(record.partition, 0):
            valid.append(record)
            newest[record.contact] = record
    faults = [
        Finding(Category.OVERWRITTEN, "the last record of a contact is one that readers pass over",
                (newest.get(contact), record))
        for contact, record in last.items()
        if newest.get(contact) is not record
    ]  # fmt: skip
    return valid, faults


def as_told(decided: Iterable[Decided]) -> list[Told]:
    """Decisions as arrivals at the topic; records of one partition keep their order."""
    return [
        Told(DECISIONS, each.at, each.contact, each.version, each.allowed, each.objected)
        for each in decided
        if each.contact is not None
    ]
