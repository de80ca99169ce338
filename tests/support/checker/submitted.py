"""Senders against the log: nothing acknowledged is lost, nothing refused or unsent is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from tests.support.checker.facts import Kind
from tests.support.checker.findings import Category, Finding
from tests.support.checker.records import Logged, Op


def paired(ops: Iterable[Op], kind: str) -> Iterator[tuple[Op, Op | None]]:
    """Each invocation of a kind with how it ended; None where the run ended first.

    Raises ValueError for an end without a beginning, or two operations at once in one process.
    """
    pending: dict[str, Op] = {}
    for op in ops:
        if op.kind != kind:
            continue
        before = pending.pop(op.process, None)
        if op.op == "invoke":
            if before is not None:
                raise ValueError(f"{op.process} began {op} before the end of {before}")
            pending[op.process] = op
        elif before is None:
            raise ValueError(f"{op.process} ended what it never began: {op}")
        else:
            yield before, op
    for op in pending.values():
        yield op, None


def acknowledged(ops: Iterable[Op]) -> dict[str, int] | None:
    """Event → when its sender was first told that it stands; None where nobody noted senders."""
    found: dict[str, int] = {}
    noted = False
    for begun, ended in paired(ops, "submit"):
        noted = True
        if ended is not None and ended.op == "ok":
            event = begun.value["event"]
            found[event] = min(ended.t, found.get(event, ended.t))
    return found if noted else None


def submissions(ops: Sequence[Op], log: Sequence[Logged]) -> Iterator[Finding]:
    """LOST, GHOST and FORKED of the log itself."""
    stands: dict[str, list[Logged]] = defaultdict(list)
    places: dict[str, Logged] = {}
    for record in log:
        stands[record.fact.id].append(record)
        places[f"{record.topic}:{record.partition}:{record.offset}"] = record
    yield from _forked(stands)
    ends: dict[str, set[str]] = defaultdict(set)
    refused: dict[str, tuple[Op, Op]] = {}
    for begun, ended in paired(ops, "submit"):
        event = begun.value["event"]
        ends[event].add(ended.op if ended else "info")
        if ended is None or ended.op == "info":
            continue
        if ended.op == "fail":
            refused[event] = (begun, ended)
        else:
            yield from _acknowledged(begun, ended, stands, places)
    for event, witness in refused.items():
        if ends[event] == {"fail"} and event in stands:
            yield Finding(Category.GHOST, "refused, and yet in the log",
                          (*witness, stands[event][0]))  # fmt: skip
    if ends:
        for event, records in stands.items():
            # What could not be read bears no sender's name.
            if event not in ends and records[0].fact.kind is not Kind.UNREADABLE:
                yield Finding(Category.GHOST, "in the log, and nobody sent it", (records[0],))


def _acknowledged(
    begun: Op, ended: Op, stands: dict[str, list[Logged]], places: dict[str, Logged]
) -> Iterator[Finding]:
    """LOST: an event that was answered for stands in the log, where its receipt says."""
    event = begun.value["event"]
    if event not in stands:
        yield Finding(Category.LOST, "acknowledged, and not in the log", (begun, ended))
        return
    receipt = ended.value.get("receipt")
    there = places.get(receipt) if receipt else stands[event][0]
    if there is None or there.fact.id != event:
        found = (there,) if there else ()
        yield Finding(
            Category.LOST, "its receipt names a place where it does not stand", (ended, *found)
        )


def _forked(stands: dict[str, list[Logged]]) -> Iterator[Finding]:
    for records in stands.values():
        first: dict[tuple[str, str | None, str | None], Logged] = {}
        for record in records:
            fact = record.fact
            before = first.setdefault((record.topic, fact.contact, fact.party), record)
            if before.fact.meaning != fact.meaning:
                yield Finding(Category.FORKED, "one event, two meanings", (before, record))
                break
