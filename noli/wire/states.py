"""`noli.ContactState`: what a worker restores from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from noli.domain import channel, joins
from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.domain.facts import EVERY_BRAND
from noli.domain.state import Basis, Denial, Denied, Flag, Grant, Latest, Mark, State
from schemas.codec import pack_lead

_DENIED: Final = {kind: kind.name.lower() for kind in Denied}
_BASIS: Final = {basis: basis.name.lower() for basis in Basis}
_LATEST: Final = {what: what.name.lower() for what in Latest}
_DENIED_OF: Final = {name: kind for kind, name in _DENIED.items()}
_BASIS_OF: Final = {name: basis for basis, name in _BASIS.items()}
_LATEST_OF: Final = {name: what for what, name in _LATEST.items()}

_KNOWN_FLAGS: Final = Flag.VOID | Flag.DOUBLE_OPT_IN | Flag.EXTENDS
_UNKNOWN_KIND: Final = "unknown"


def state_to_record(
    state: State, epoch: int, version: int, wake: int | None = None, labels: bytes = b""
) -> dict[str, Any]:
    """The record of a state, under the writer's epoch. `wake`: ms at which it changes by itself."""
    contact = state.contact
    return {
        "lead": pack_lead(epoch, wake or 0),
        "labels": labels,
        "version": version,
        "controller": state.controller,
        "kind": state.kind or _UNKNOWN_KIND,
        "value": contact.value if contact else None,
        "denials": [
            {"kind": _DENIED[kind], "brand": brand, "pairs": mask, "time": time, "accepted": taken}
            for kind, brand, mask, time, taken in state.denials
        ],
        "grants": [
            {
                "basis": _BASIS[basis],
                "pairs": mask,
                "brand": brand,
                "source": source,
                "ref": ref,
                "flags": flags,
                "time": time,
                "accepted": taken,
            }
            for basis, mask, brand, source, ref, flags, time, taken in state.grants
        ],
        "marks": [{"what": _LATEST[what], "key": key, "at": at} for what, key, at in state.marks],
        "seen": state.seen,
        "forgotten": state.forgotten,
    }


def record_to_state(record: Mapping[str, Any]) -> tuple[State, int]:
    """(state, version) of a record. Raises ValueError or KeyError for what is none."""
    kind = None if record["kind"] == _UNKNOWN_KIND else Kind(record["kind"])
    value = record["value"]
    state = State(
        record["controller"],
        kind,
        Contact(kind, value) if kind and value is not None else None,
        tuple(
            [
                Denial(_DENIED_OF[d["kind"]], d["brand"], d["pairs"], d["time"], d["accepted"])
                for d in record["denials"]
            ]
        ),
        tuple([_grant(g) for g in record["grants"]]),
        tuple([Mark(_LATEST_OF[m["what"]], m["key"], m["at"]) for m in record["marks"]]),
        record["seen"],
        record["forgotten"],
    )
    if any(mark.what == Latest.UNKNOWN for mark in state.marks):
        state = state._replace(denials=joins.with_denial(state.denials, _DOUBT))
    return state, record["version"]


#: What an unknown mark may have meant.
_DOUBT: Final = Denial(Denied.UNKNOWN, EVERY_BRAND, channel.EVERYTHING, 0, 0)


def _grant(g: Mapping[str, Any]) -> Grant:
    flags = g["flags"]
    if flags & ~_KNOWN_FLAGS:
        flags |= Flag.INVALID | Flag.NOT_FREE  # what a newer writer knows against it
    return Grant(
        _BASIS_OF[g["basis"]],
        g["pairs"],
        g["brand"],
        g["source"],
        g["ref"],
        flags,
        g["time"],
        g["accepted"],
    )
