"""The history checker: what was observed in a run, held against a model of the law.

Pure: it imports nothing of the product. In one minute:

    from tests.support.checker import Bounds, History, Recorder, check, read

    recorder = Recorder(tmp_path / "ops.jsonl")            # senders and askers, any thread
    with recorder.operation("sender-3", "submit", event="/crm|17") as op:    # "source|id"
        answer = client.send(event)
        op.ok(receipt=answer["receipt"])                   # or op.fail(); neither: nobody knows
    with recorder.operation("asker-0", "ask", contact=token, pair=["sms", "marketing", "*"]) as op:
        op.ok(allowed=verdict["allowed"], as_of=verdict["as_of"])

    history = read(tmp_path / "ops.jsonl")
    history.log       = [Logged(topic, partition, offset, at, fact), …]   # fact_of(event, …)
    history.decided   = [Decided(…), …]      # noli.decisions as it stands; claims too
    history.arrivals  = [Told(…), Restored(…), …]          # of each application, in its own order
    history.dumps     = {"crm": {token: Held(version, allowed)}}
    history.receipts, history.aligned, history.published, history.digests, history.counts = …

    report = check(history, Bounds(lease_ms=10_000))
    assert report.findings == [], str(report)
    assert report.checked["denials"] and report.checked["watermarks"]       # not for nothing

Kafka's record times are their producers' (created, not appended), so a watermark, or a lookup's
lease, is held against the moment a sender was acknowledged (`ops`); without `ops`, against `at`.
What is left empty is not checked. `tests.support.recorded` reads Noli's own records into these.
Contacts are opaque: use tokens, so that a report names nobody. Pairs are (channel, purpose, brand);
a set of pairs allowed is a verdict, all else is denied. A replica is one more application.

`facts` reads events · `model` is the law as bounds · `submitted` senders ↔ log · `told` one
application's arrivals, receipts and watermarks · `rest` everything at rest · `asked` lookups ·
`findings` the categories and how they are told · `storage` JSONL.
"""

from tests.support.checker.check import check
from tests.support.checker.facts import Fact, Kind, Pair, Strength, event_id, fact_of
from tests.support.checker.findings import Category, Finding, Report
from tests.support.checker.model import Bound, Law
from tests.support.checker.records import (
    Aligned,
    Bounds,
    Counted,
    Decided,
    Digest,
    Held,
    History,
    Logged,
    Op,
    Published,
    Receipt,
    Restored,
    Scope,
    Told,
)
from tests.support.checker.storage import Recorder, read, write

__all__ = [
    "Aligned",
    "Bound",
    "Bounds",
    "Category",
    "Counted",
    "Decided",
    "Digest",
    "Fact",
    "Finding",
    "Held",
    "History",
    "Kind",
    "Law",
    "Logged",
    "Op",
    "Pair",
    "Published",
    "Receipt",
    "Recorder",
    "Report",
    "Restored",
    "Scope",
    "Strength",
    "Told",
    "check",
    "event_id",
    "fact_of",
    "read",
    "write",
]
