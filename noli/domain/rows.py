"""An outcome as rows: few rectangles of channels and purposes, each with what will change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

from noli.domain import channel
from noli.domain.channel import Channel, Purpose
from noli.domain.outcome import Outcome, outcome
from noli.domain.policy import Policy
from noli.domain.reason import OPERATOR_GUARANTEED, Reason
from noli.domain.state import Basis, State

#: Rows remembered by content; real states have a few hundred shapes.
_SHAPES: Final = 4096

NAME_OF_BASIS: Final = {basis: basis.name.lower() for basis in Basis}
_REASON_ORDER: Final = {reason: n for n, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True)
class Row:
    """One outcome for every pair of its channels and purposes.

    With `products` it is allowed for those categories only, and `allowed` is false. An allowance is
    good up to and including `until` (ms); past it, it is denied for the reasons in `lapse`.
    """

    channels: tuple[Channel, ...]
    purposes: tuple[Purpose, ...]
    brand: str
    allowed: bool
    basis: str | None
    reasons: tuple[Reason, ...]
    conditions: tuple[str, ...]
    products: tuple[str, ...]
    until: int | None
    lapse: tuple[Reason, ...]


# What is true of every pair of a part: (field of Row, value), in the order of the row's values.
_Tag = tuple[str, Any]
_Part = tuple[int, tuple[_Tag, ...]]
_K = TypeVar("_K")


class _Coming(NamedTuple):
    """A change of some pairs by itself."""

    mask: int
    until: int
    lapse: dict[Reason, int]


def rows(state: State, policy: Policy, brand: str, at: int) -> tuple[list[Row], int | None]:
    """Rows of who asks for `brand` at `at` (ms), and the first moment at which they change."""
    now = outcome(state, policy, brand, at)
    coming, first = _coming(state, policy, brand, now, at) if now.changes else ([], None)
    found = [
        row if row.until is None else _dated(row, coming[row.until].until)
        for mask, tags in _parts(channel.applicable(state.kind), now, coming)
        for row in _shape(mask, brand, tags)
    ]
    return found, first


def _coming(
    state: State, policy: Policy, brand: str, now: Outcome, at: int
) -> tuple[list[_Coming], int | None]:
    """Which pairs change, when first: the outcome of then compared with that of now.

    An allowance changes when it ends; a denial when anything about it does.
    """
    first = None
    undecided = channel.applicable(state.kind)
    plain, conditional = _union(now.allowed), _union(now.products)
    found = []
    for moment, until in sorted(now.changes):
        then = outcome(state, policy, brand, moment, at)
        differs = _differs(now, then)
        if differs and first is None:
            first = moment
        still = _union(then.allowed)
        ends = plain & ~still | conditional & ~(still | _union(then.products))
        mask = undecided & (ends | differs & ~(plain | conditional))
        if mask:
            found.append(
                _Coming(mask, until, {r: m & ends & mask for r, m in then.reasons.items()})
            )
            undecided &= ~mask
    return found, first


def _union(masks: Mapping[Any, int]) -> int:
    union = 0
    for mask in masks.values():
        union |= mask
    return union


def _differs(one: Outcome, other: Outcome) -> int:
    """Pairs for which two outcomes are not the same."""
    mask = (one.guarded ^ other.guarded) & (_union(one.allowed) | _union(other.allowed))
    mask |= _changed(one.allowed, other.allowed)
    mask |= _changed(one.products, other.products)
    return mask | _changed(one.reasons, other.reasons)


def _changed(before: Mapping[_K, int], after: Mapping[_K, int]) -> int:
    mask = 0
    if before != after:
        for key in before.keys() | after.keys():
            mask |= before.get(key, 0) ^ after.get(key, 0)
    return mask


def _parts(applicable: int, now: Outcome, coming: list[_Coming]) -> list[_Part]:
    """Split all pairs into parts of equal traits."""
    parts: list[_Part] = [(applicable, ())]
    for basis, mask in now.allowed.items():
        parts = _split(parts, mask, ("basis", basis))
    for reason in sorted(now.reasons, key=_REASON_ORDER.__getitem__):
        parts = _split(parts, now.reasons[reason], ("reasons", reason))
    for category in sorted(now.products):
        parts = _split(parts, now.products[category], ("products", category))
    if now.guarded:
        guarded = now.guarded & _union(now.allowed)
        parts = _split(parts, guarded, ("conditions", OPERATOR_GUARANTEED))
    for number, change in enumerate(coming):
        parts = _split(parts, change.mask, ("until", number))
        for reason in sorted(change.lapse, key=_REASON_ORDER.__getitem__):
            parts = _split(parts, change.lapse[reason], ("lapse", reason))
    return parts


def _split(parts: list[_Part], mask: int, tag: _Tag) -> list[_Part]:
    split: list[_Part] = []
    for part, tags in parts:
        inside = part & mask
        if not inside:
            split.append((part, tags))
            continue
        split.append((inside, (*tags, tag)))
        if inside != part:
            split.append((part ^ inside, tags))
    return split


@lru_cache(_SHAPES)
def _shape(mask: int, brand: str, tags: tuple[_Tag, ...]) -> tuple[Row, ...]:
    """The rows of one part; in place of a moment, the number of the change: shapes recur."""
    values: dict[str, list[Any]] = {}
    for name, value in tags:
        values.setdefault(name, []).append(value)
    basis = values.get("basis")
    until = values.get("until")
    return tuple(
        Row(
            channels,
            purposes,
            brand,
            basis is not None,
            NAME_OF_BASIS[basis[0]] if basis else None,
            tuple(values.get("reasons", ())),
            tuple(values.get("conditions", ())),
            tuple(values.get("products", ())),
            until[0] if until else None,
            tuple(values.get("lapse", ())),
        )
        for channels, purposes in channel.rectangles(mask)
    )


def _dated(row: Row, until: int) -> Row:
    return Row(
        row.channels,
        row.purposes,
        row.brand,
        row.allowed,
        row.basis,
        row.reasons,
        row.conditions,
        row.products,
        until,
        row.lapse,
    )
