"""Lookups: what was allowed, against what the log had taken by then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tests.support.checker.facts import Pair
from tests.support.checker.findings import Category, Finding
from tests.support.checker.model import Law
from tests.support.checker.records import Bounds, Op
from tests.support.checker.submitted import paired


def answers(law: Law, bounds: Bounds, ops: Iterable[Op]) -> Iterator[Finding]:
    """STALE, LYING, GHOST and NONMONOTONIC of answers. A denial is never wrong here."""
    versions: dict[tuple[str, str], tuple[Op, int]] = {}
    for begun, ended in paired(ops, "ask"):
        if ended is None or ended.op != "ok":
            continue
        yield from _version(versions, begun, ended)
        if ended.value["allowed"]:
            yield from _allowed(law, bounds, begun, ended)


def _allowed(law: Law, bounds: Bounds, begun: Op, ended: Op) -> Iterator[Finding]:
    contact, pair = begun.value["contact"], _pair(begun.value["pair"])
    by = ended.t + bounds.skew_ms
    as_of = ended.value.get("as_of") or 0
    leased = begun.t - bounds.lease_ms - bounds.skew_ms
    for known in law.of(contact):
        if not known.fact.denies or not law.standing(contact, pair, known, by):
            continue
        if known.stood is not None and known.stood < leased:
            yield Finding(Category.STALE, "allowed what the log had denied beyond the lease",
                          (known.fact, begun, ended))  # fmt: skip
            return
        if known.stood is not None and known.stood < as_of and known.topic in bounds.covered:
            yield Finding(Category.LYING, "allowed as of a moment after which it was denied",
                          (known.fact, begun, ended))  # fmt: skip
            return

    if not law.based(contact, pair, by):
        yield Finding(Category.GHOST, "allowed on no basis in the log", (begun, ended))


def _version(
    versions: dict[tuple[str, str], tuple[Op, int]], begun: Op, ended: Op
) -> Iterator[Finding]:
    """One replica never answers from an older version; answers that overlap are not compared."""
    version = ended.value.get("version")
    if version is None:
        return
    place = (str(ended.value.get("replica", "")), begun.value["contact"])
    before = versions.get(place)
    if before is not None and version < before[1] and before[0].t < begun.t:
        yield Finding(Category.NONMONOTONIC, "a replica went back", (before[0], ended))
    if before is None or version >= before[1]:
        versions[place] = (ended, version)


def _pair(value: Any) -> Pair:  # noqa: ANN401 - three strings of a JSON list
    channel, purpose, brand = value
    return channel, purpose, brand
