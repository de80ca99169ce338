"""Verdicts: the outcome of all rules, as rows for those who store them and as single answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from noli.domain import channel
from noli.domain import rows as shapes
from noli.domain.channel import Channel, Kind, Purpose
from noli.domain.facts import EVERY_BRAND
from noli.domain.policy import Policy
from noli.domain.reason import Reason
from noli.domain.rows import NAME_OF_BASIS, Row
from noli.domain.state import Basis, State

#: In rows: every brand that no row names. Absent where the rows of `*` say the same.
OTHER_BRANDS: Final = ""

__all__ = ["OTHER_BRANDS", "Policy", "Query", "Row", "Verdict", "answer", "answer_from", "verdicts"]


@dataclass(frozen=True, slots=True)
class Query:
    """One question. No brand asks for `*`; `product` is a category."""

    channel: Channel
    purpose: Purpose
    brand: str | None = None
    product: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer. `until` in ms: when it changes by itself."""

    allowed: bool
    basis: str | None
    reasons: tuple[Reason, ...]
    conditions: tuple[str, ...]
    until: int | None


def verdicts(state: State, policy: Policy, at: int) -> tuple[list[Row], int | None]:
    """Rows for every pair that applies to the contact, and the first moment (ms) they change.

    Per brand named in the state, for all others (`OTHER_BRANDS`), and for `*`. A brand without rows
    is answered by those of the other brands, and these by `*`: see `answer_from`.
    """
    found, first = shapes.rows(state, policy, EVERY_BRAND, at)
    named = {d.brand for d in state.denials} | {g.brand for g in state.grants}
    if named <= {EVERY_BRAND}:
        return found, first
    fallback = found
    for brand in (OTHER_BRANDS, *sorted(named - {EVERY_BRAND})):
        own, change = shapes.rows(state, policy, brand, at)
        if _same(own, fallback):
            continue
        found = found + own
        if brand == OTHER_BRANDS:
            fallback = own
        if change is not None and (first is None or change < first):
            first = change
    return found, first


def answer(state: State | None, policy: Policy, query: Query, at: int) -> Verdict:
    """The answer to one question at a moment: of the same rows that are stored."""
    if state is None:
        return Verdict(
            allowed=False, basis=None, reasons=(Reason.NO_BASIS,), conditions=(), until=None
        )
    rows, _ = shapes.rows(state, policy, query.brand or EVERY_BRAND, at)
    return answer_from(rows, state.kind, query, at)


def answer_from(rows: Iterable[Row], kind: Kind | None, query: Query, at: int) -> Verdict:
    """The answer that the rows of one contact give, at a moment not before they were made."""
    if not channel.reach(kind) & channel.CHANNEL_BIT[query.channel]:
        return _denied((Reason.CHANNEL_MISMATCH,))
    rows = list(rows)
    named = {row.brand for row in rows}
    brand = query.brand or EVERY_BRAND
    if brand not in named:
        brand = OTHER_BRANDS if OTHER_BRANDS in named and brand != EVERY_BRAND else EVERY_BRAND
    for row in rows:
        if row.brand == brand and query.channel in row.channels and query.purpose in row.purposes:
            return _of_row(row, query, at)
    return _denied((Reason.NO_BASIS,))


def _denied(reasons: tuple[Reason, ...]) -> Verdict:
    return Verdict(allowed=False, basis=None, reasons=reasons, conditions=(), until=None)


def _of_row(row: Row, query: Query, at: int) -> Verdict:
    lapsed = row.until is not None and at > row.until
    if lapsed and (row.allowed or row.products):
        return _denied(row.lapse or (Reason.NO_BASIS,))
    if not row.products:
        return Verdict(row.allowed, row.basis, row.reasons, row.conditions, row.until)
    if query.product in row.products:
        return Verdict(
            allowed=True,
            basis=NAME_OF_BASIS[Basis.SOFT_OPT_IN],
            reasons=(),
            conditions=row.conditions,
            until=row.until,
        )
    if query.product is None:
        return Verdict(
            allowed=False, basis=None, reasons=row.reasons, conditions=row.products, until=row.until
        )
    reasons = tuple(
        Reason.PRODUCT_NOT_ANALOGOUS if r == Reason.PRODUCT_REQUIRED else r for r in row.reasons
    )
    return Verdict(
        allowed=False, basis=None, reasons=reasons, conditions=row.products, until=row.until
    )


def _same(own: Sequence[Row], others: Sequence[Row]) -> bool:
    """Whether two brands are answered alike."""
    return len(own) == len(others) and all(
        replace(one, brand=two.brand) == two for one, two in zip(own, others, strict=True)
    )
