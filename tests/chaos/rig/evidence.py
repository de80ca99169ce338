"""What explains a finding, in few lines: of its contact all that was said, saved, decided and told.

Printed with a report that finds something, as a run on another machine leaves nothing but its text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, TypeVar

from schemas.codec import Codec, lead
from schemas.names import CLAIM_KEY
from tests.support.checker import records as checker
from tests.support.checker.facts import Pair
from tests.support.checker.findings import Finding, Report, shown
from tests.support.checker.submitted import acknowledged

#: Digits of a contact's token, and how many contacts are told of for each category.
_DIGITS: Final = 34
_CONTACTS: Final = 2
#: Lines of one kind about one contact: the last ones.
_LINES: Final = 12

#: Key and value of each record of the state topic, with where it stands: `partition:offset`.
States = Iterable[tuple[str, bytes | None, bytes | None]]
_Timed = TypeVar("_Timed", checker.Logged, checker.Receipt)


def lines(
    history: checker.History, report: Report, states: Callable[[], States], codec: Codec
) -> list[str]:
    """None where nothing was found. `states` is read only where something was."""
    wanted: dict[str, None] = {}
    for finding in report.witnesses().values():
        same = (one for one in report.findings if one.category is finding.category)
        of_category = [contact for one in (finding, *same) for contact in contacts(one)]
        wanted.update(dict.fromkeys(list(dict.fromkeys(of_category))[:_CONTACTS]))
    if not wanted:
        return []
    saved = _saved(states(), wanted, codec)
    return [line for contact in wanted for line in _about(contact, history, saved)]


def contacts(finding: Finding) -> Iterator[str]:
    """Tokens of the contacts that a finding is about."""
    for each in finding.witness:
        found = each if isinstance(each, str) else getattr(each, "contact", None)
        if isinstance(found, str) and len(found) == _DIGITS:
            yield found


def _about(contact: str, history: checker.History, saved: dict[str, list[str]]) -> Iterator[str]:
    yield f"evidence about {contact}"
    logged = [one for one in history.log if one.fact.contact == contact]
    parties = {one.fact.party for one in logged} - {None}
    logged += [one for one in history.log if one.fact.contact is None and one.fact.party in parties]
    acked = acknowledged(history.ops) or {}
    yield from _last(
        "log",
        (
            f"{_place(one)} at={one.at} acked={acked.get(one.fact.id)} {shown(one.fact)}"
            for one in _by_time(logged)
        ),
    )
    yield from _last("state", saved.get(contact, ()))
    decided = [one for one in history.decided if one.contact == contact]
    yield from _last("decided", map(_decided, decided))
    partitions = {one.partition for one in decided}
    claims = [c for c in history.decided if c.contact is None and c.partition in partitions]
    yield from _last("claim", map(_decided, claims))
    for app in sorted({one.app for one in history.arrivals}):
        yield from _last(app, _told(app, contact, history))
    receipts = [one for one in history.receipts if one.contact == contact]
    yield from _last(
        "receipt", (f"at={r.at} {r.app} {r.outcome} {r.version}" for r in _by_time(receipts))
    )


def _told(app: str, contact: str, history: checker.History) -> Iterator[str]:
    for one in history.arrivals:
        if one.app != app:
            continue
        if isinstance(one, checker.Restored):
            yield f"at={one.at} put back to {one.back_to}"
        elif one.contact == contact:
            taken = "" if one.taken else " not taken"
            yield f"at={one.at} {one.version}{taken} {_said(one.allowed, one.objected)}"
    held = history.dumps.get(app, {}).get(contact)
    yield "holds nothing" if held is None else f"holds {held.version} {_said(held.allowed, ())}"


def _decided(one: checker.Decided) -> str:
    said = "" if one.contact is None else f" {one.version} {_said(one.allowed, one.objected)}"
    return f"{one.partition}:{one.offset} at={one.at} epoch={one.epoch}{said}"


def _said(allowed: Collection[Pair], objected: Collection[Pair]) -> str:
    allows = " ".join(sorted("/".join(pair) for pair in allowed)) or "nothing"
    return f"allows {allows}, {len(objected)} pairs objected"


def _saved(states: States, wanted: Collection[str], codec: Codec) -> dict[str, list[str]]:
    """What the state topic holds of each contact; of its value nothing."""
    found: dict[str, list[str]] = {contact: [] for contact in wanted}
    for place, key, value in states:
        contact = "" if key is None or key == CLAIM_KEY else key.hex()
        if contact not in found:
            continue
        if value is None:
            found[contact].append(f"{place} deleted")
            continue
        datum = codec.decode(value)[1]
        told = {name: datum[name] for name in ("version", "denials", "grants", "marks")}
        found[contact].append(
            f"{place} epoch={lead(value).epoch} seen={len(datum['seen'])} {_compact(told)}"
        )
    return found


def _compact(told: dict[str, Any]) -> str:
    return str(told).replace("'", "").replace(": ", "=")


def _place(one: checker.Logged) -> str:
    return f"{one.topic}:{one.partition}:{one.offset}"


def _by_time(found: Iterable[_Timed]) -> list[_Timed]:
    return sorted(found, key=lambda one: one.at)


def _last(name: str, found: Iterable[str]) -> Iterator[str]:
    every = list(found)
    if len(every) > _LINES:
        yield f"  {name:<8} … {len(every) - _LINES} before"
    yield from (f"  {name:<8} {line}" for line in every[-_LINES:])
