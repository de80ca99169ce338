"""What can go wrong with a history, one thing at a time, and how it must be found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from typing import Any, Final

from tests.support.checked import LEASE_MS, consent
from tests.support.checker import (
    Aligned,
    Bound,
    Category,
    History,
    Law,
    Logged,
    Op,
    Restored,
    Told,
    fact_of,
)
from tests.support.checker.submitted import acknowledged

#: Every history that differs from a healthy one in one fault of its kind.
Mutation = Callable[[History], Iterator[History]]


def _swapped(history: History, place: str, index: int, new: Any) -> History:  # noqa: ANN401 - a record
    broken = copy(history)
    records = list(getattr(history, place))
    records[index : index + 1] = [] if new is None else [new]
    setattr(broken, place, records)
    return broken


def _lose(history: History) -> Iterator[History]:
    """An acknowledged event is not in the log."""
    acknowledged = {op.value["event"] for op in history.ops
                    if op.kind == "submit" and op.op == "ok"}  # fmt: skip
    for index, record in enumerate(history.log):
        alone = sum(each.fact.id == record.fact.id for each in history.log) == 1
        if alone and record.fact.id in acknowledged:
            yield _swapped(history, "log", index, None)


def _accept_refused(history: History) -> Iterator[History]:
    """An event that was refused stands in the log."""
    for op in history.ops:
        if op.kind == "submit" and op.op == "fail":
            fact = fact_of(consent(0, "sms"), op.t, op.t, "c0")._replace(id=op.value["event"])
            record = Logged("noli.grants", 1, 0, op.t, fact)
            yield replace(history, log=[*history.log, record])


def _go_back(history: History) -> Iterator[History]:
    """An application takes an older version after a newer one."""
    newest: dict[tuple[str, str], Told] = {}
    for index, arrival in enumerate(history.arrivals):
        if isinstance(arrival, Restored):
            newest = {key: told for key, told in newest.items() if key[0] != arrival.app}
            continue
        before = newest.get((arrival.app, arrival.contact))
        if before is not None and before.version < arrival.version:
            arrivals = list(history.arrivals)
            arrivals.insert(index + 1, before._replace(at=arrival.at))
            yield replace(history, arrivals=arrivals)
        newest[arrival.app, arrival.contact] = arrival


def _fork(history: History) -> Iterator[History]:
    """One version says two things."""
    for index, arrival in enumerate(history.arrivals):
        if isinstance(arrival, Told) and arrival.taken and arrival.allowed:
            arrivals = list(history.arrivals)
            arrivals.insert(index + 1, arrival._replace(allowed=frozenset()))
            yield replace(history, arrivals=arrivals)


def _lift(history: History) -> Iterator[History]:
    """A version that says no to an objection's scope is told as one that says yes."""
    law = _law(history)
    at = {(d.contact, d.version): d.at for d in history.decided}
    for index, arrival in enumerate(history.arrivals):
        if not isinstance(arrival, Told) or not arrival.taken:
            continue
        contact, by = arrival.contact, at[arrival.contact, arrival.version]
        for pair in sorted(arrival.objected):
            denials = [k for k in law.of(contact) if k.fact.denies and k.at <= by]
            if any(law.standing(contact, pair, denial, by) for denial in denials):
                lifted = arrival._replace(allowed=arrival.allowed | {pair})
                yield _swapped(history, "arrivals", index, lifted)


def _law(history: History) -> Law:
    logged = ((record.topic, record.at, record.fact) for record in history.log)
    return Law(logged, acknowledged(history.ops))


def _hold_grant(history: History) -> Iterator[History]:
    """At rest an application allows what was objected to."""
    law = _law(history)
    for app, held in history.dumps.items():
        for contact, found in held.items():
            for pair in (("sms", "marketing", "*"), ("email", "marketing", "*")):
                if law.bound(contact, pair) is Bound.DENIED:
                    wrong = found._replace(allowed=found.allowed | {pair})
                    yield replace(history, dumps={**history.dumps, app: {**held, contact: wrong}})


def _withhold(history: History) -> Iterator[History]:
    """At rest an application denies what must be allowed."""
    for app, held in history.dumps.items():
        for contact, found in held.items():
            if found.allowed:
                wrong = found._replace(allowed=frozenset())
                yield replace(history, dumps={**history.dumps, app: {**held, contact: wrong}})


def _early_receipt(history: History) -> Iterator[History]:
    """A receipt is older than what it says was applied."""
    for index, receipt in enumerate(history.receipts):
        first = next(a for a in history.arrivals if a.app == receipt.app and isinstance(a, Told)
                     and a.contact == receipt.contact)  # fmt: skip
        if first.version == receipt.version:
            yield _swapped(history, "receipts", index, receipt._replace(at=first.at - 1))


def _lie(history: History) -> Iterator[History]:
    """A watermark says more than was applied."""
    surely = acknowledged(history.ops) or {}
    for app in history.dumps:
        for record in history.log:
            told = _last(history, app, record)
            if (
                record.fact.id in surely
                and record.fact.denies
                and told is not None
                and _hits(record, told)
            ):
                lie = Aligned(app, record.at + 1, record.at + 1)
                yield replace(history, aligned=[*history.aligned, lie])


def _last(history: History, app: str, record: Logged) -> Told | None:
    """What the application was told last of a contact, before and at a record about it.

    None where that is not simple: it was put back before, or somebody consents later.
    """
    before = [a for a in history.arrivals if a.app == app and a.at <= record.at + 1]
    consents = (r.fact for r in history.log if r.fact.contact == record.fact.contact)
    if any(isinstance(arrival, Restored) for arrival in before) or any(
        not fact.denies and fact.accepted > record.at - 1 for fact in consents
    ):
        return None
    told = [a for a in before if isinstance(a, Told) and a.contact == record.fact.contact]
    return told[-1] if told and told[-1].at < record.at else None


def _hits(record: Logged, told: Told) -> bool:
    return any(p[0] in record.fact.channels and p[1] in record.fact.purposes for p in told.allowed)


def _rewind(history: History) -> Iterator[History]:
    """A watermark goes back, and nobody says why."""
    for index, aligned in enumerate(history.aligned):
        if aligned.as_of and any(a.app == aligned.app for a in history.aligned[:index]):
            yield _swapped(history, "aligned", index, aligned._replace(as_of=1))


def _stale(history: History) -> Iterator[History]:
    """A lookup allows what was denied longer ago than its lease."""
    law = _law(history)
    begun: Op | None = None
    for index, op in enumerate(history.ops):
        if op.kind != "ask":
            continue
        if op.op == "invoke":
            begun = op
            continue
        channel, purpose, brand = op.value["pair"]
        contact = op.value["contact"]
        old = [k for k in law.of(contact) if k.fact.denies and begun
               and k.stood is not None and k.stood < begun.t - LEASE_MS]  # fmt: skip
        if any(law.standing(contact, (channel, purpose, brand), k, op.t) for k in old):
            wrong = op._replace(value={**op.value, "allowed": True, "as_of": None})
            yield _swapped(history, "ops", index, wrong)


def _unsettle(history: History) -> Iterator[History]:
    """At rest an application is behind."""
    for app, held in history.dumps.items():
        for contact, found in held.items():
            wrong = found._replace(version=found.version - 1)
            yield replace(history, dumps={**history.dumps, app: {**held, contact: wrong}})


def _unbalance(history: History) -> Iterator[History]:
    """A change is in no book."""
    for index, count in enumerate(history.counts):
        yield _swapped(history, "counts", index, count._replace(applied=count.applied + 1))


def _diverge(history: History) -> Iterator[History]:
    """A replica is not what a replay gives."""
    yield _swapped(history, "digests", 0, history.digests[0]._replace(right="ab"))


def _overwrite(history: History) -> Iterator[History]:
    """A late record of an older owner stands last."""
    for each in history.decided:
        if each.contact is not None:
            last = max(d.offset for d in history.decided) + 1
            late = each._replace(offset=last, epoch=6, allowed=frozenset())
            yield replace(history, decided=[*history.decided, late])


#: What goes wrong, and the category by which it must be found.
MUTATIONS: Final[Mapping[Category, Mutation]] = {
    Category.LOST: _lose,
    Category.GHOST: _accept_refused,
    Category.FORKED: _fork,
    Category.NONMONOTONIC: _go_back,
    Category.LIFTED: _lift,
    Category.UNSEEN: _hold_grant,
    Category.WITHHELD: _withhold,
    Category.UNAPPLIED: _early_receipt,
    Category.LYING: _lie,
    Category.STALE: _stale,
    Category.UNSETTLED: _unsettle,
    Category.UNBALANCED: _unbalance,
    Category.DIVERGED: _diverge,
    Category.OVERWRITTEN: _overwrite,
}
