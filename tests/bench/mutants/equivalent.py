"""Mutants that are no bug: what they change no caller can tell. Each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_ONE: Final = "an erasure is for all brands and pairs, so there is never more than one in a state"
_NEVER: Final = "no beacon stands at the offset of an open record"

#: Module → what is changed → why that cannot be seen.
EQUIVALENT: Final[Mapping[str, Mapping[str, str]]] = {
    "noli.domain.joins": {
        "max((d.time for d in erased)) → min((d.time for d in erased))": _ONE,
        "g.basis == Basis.CONSENT and (not g.flags & Flag.VOID) and (g.time > time) and"
        " (g.accepted > accepted) → not g.flags & Flag.VOID and g.time > time and"
        " (g.accepted > accepted)": "only a consent carries an acceptance at all",
        "max((d.accepted for d in erased)) → min((d.accepted for d in erased))": _ONE,
    },
    "noli.domain.fold": {
        "gone or after.denials → after.denials": "who has no denial was never erased",
    },
    "connectors.frontier": {
        "self._newest_open() < self._beacons[-1][0] → self._newest_open() <= self._beacons[-1][0]":
            _NEVER,
        "self._beacons[0][0] < lowest → self._beacons[0][0] <= lowest": _NEVER,
        "at < offset → at <= offset": _NEVER,
        "1 → 2": "whatever is below every offset says that nothing is open",
    },
    "connectors.waiting": {
        "4096 → 4097": "how many shapes are remembered changes no answer",
    },
}  # fmt: skip
