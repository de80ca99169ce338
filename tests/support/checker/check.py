"""The check: everything observed in one run against the model. O(n log n), no search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.support.checker import asked, rest, submitted, told
from tests.support.checker.findings import Finding, Report
from tests.support.checker.model import Law
from tests.support.checker.records import Aligned, Bounds, Decided, Held, History, Receipt, Scope


def check(history: History, bounds: Bounds | None = None) -> Report:
    """What is wrong with a run. Raises ValueError for a history that is none (see `paired`)."""
    bounds = bounds or Bounds()
    logged = [(record.topic, record.at, record.fact) for record in history.log]
    stood = submitted.acknowledged(history.ops)
    law = Law(logged, stood)
    report = Report()
    report.add(submitted.submissions(history.ops, history.log))
    valid, overwritten = rest.effective(history.decided)
    report.add(overwritten)
    others: list[Receipt | Aligned] = [*history.receipts, *history.aligned]
    arrivals = [*history.arrivals, *rest.as_told(valid)]
    decisions = told.Decisions(law, valid)
    for events in told.by_application(arrivals, others, bounds.skew_ms).values():
        report.add(told.sweep(law, decisions, bounds, events))
    whole = Law(logged, stood, persons=True)
    report.add(told.published(whole, told.Decisions(whole, valid), bounds, history))
    report.add(asked.answers(law, bounds, history.ops))
    report.add(_at_rest(history, law, valid))
    report.checked.update(_checked(history, law))
    return report


def _at_rest(history: History, law: Law, valid: Sequence[Decided]) -> Iterator[Finding]:
    newest = {each.contact: each for each in valid if each.contact is not None}
    if history.decided:
        decided = {contact: Held(each.version, each.allowed) for contact, each in newest.items()}
        yield from rest.dump(law, rest.DECISIONS, decided, Scope())
    for app, held in history.dumps.items():
        yield from rest.dump(law, app, held, history.scopes.get(app, Scope()))
        if history.decided:
            rejected = {
                (receipt.contact, receipt.version)
                for receipt in history.receipts
                if receipt.app == app and receipt.outcome == "rejected"
            }
            yield from rest.settled(app, held, newest, rejected)
    yield from rest.counted(history.counts)
    yield from rest.digests(history.digests)


def _checked(history: History, law: Law) -> dict[str, int]:
    return {
        "operations": len(history.ops),
        "records of the log": len(history.log),
        "denials": len(law.denials),
        "decisions": len(history.decided),
        "arrivals": len(history.arrivals),
        "receipts": len(history.receipts),
        "watermarks": sum(each.as_of is not None for each in history.aligned),
        "publications": sum(each.as_of is not None for each in history.published),
        "dumps": len(history.dumps),
        "digests": len(history.digests),
    }
