"""Histories on disk: one JSON object a line, `is` naming the record. Operations as they happen.

A run that failed is kept and checked again: `History` in, the same `History` out.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TextIO

from tests.support.checker import records
from tests.support.checker.facts import Fact, Kind, Strength
from tests.support.checker.records import History, Op

#: Lists of a history, and what each holds.
_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "ops": ("Op",),
    "log": ("Logged",),
    "decided": ("Decided",),
    "arrivals": ("Told", "Restored"),
    "receipts": ("Receipt",),
    "aligned": ("Aligned",),
    "published": ("Published",),
    "counts": ("Counted",),
    "digests": ("Digest",),
}
_OF: Final = {name: place for place, names in _LISTS.items() for name in names}


def write(history: History, file: Path) -> None:
    """The whole history, to be read again or sent to somebody; contacts stay opaque."""
    with file.open("w", encoding="utf-8") as out:
        for place in _LISTS:
            for record in getattr(history, place):
                _line(out, type(record).__name__, record._asdict())
        for app, held in history.dumps.items():
            _line(out, "Dump", {"app": app})
            for contact, found in held.items():
                _line(out, "Held", {"app": app, "contact": contact, **found._asdict()})
        for app, scope in history.scopes.items():
            _line(out, "Scope", {"app": app, **scope._asdict()})


def read(*files: Path) -> History:
    """Everything in the files, in their order."""
    history = History()
    for file in files:
        for line in file.read_text("utf-8").splitlines():
            _take(history, json.loads(line))
    return history


class Recorder:
    """Writes the operations of senders and askers as they happen. For any thread.

    `clock`: ms of the run's one clock.
    """

    def __init__(self, file: Path, clock: Callable[[], int] | None = None) -> None:
        self._out = file.open("a", encoding="utf-8", buffering=1)
        self._clock = clock or (lambda: time.time_ns() // 1_000_000)
        self._lock = threading.Lock()

    @contextmanager
    def operation(self, process: str, kind: str, **value: Any) -> Iterator[Running]:  # noqa: ANN401
        """One operation. Say `ok` or `fail` inside; leaving without either is `info`."""
        self._note("invoke", process, kind, value)
        running = Running()
        try:
            yield running
        finally:
            self._note(running.how, process, kind, {**value, **running.value})

    def close(self) -> None:
        """Nothing more will be told."""
        self._out.close()

    def _note(
        self, op: Literal["invoke", "ok", "fail", "info"], process: str, kind: str,
        value: Mapping[str, Any],
    ) -> None:  # fmt: skip
        with self._lock:
            _line(self._out, "Op", Op(op, process, self._clock(), kind, value)._asdict())


class Running:
    """An operation under way."""

    how: Literal["ok", "fail", "info"] = "info"
    value: Mapping[str, Any] = {}

    def ok(self, **value: Any) -> None:  # noqa: ANN401 - JSON
        """It happened; what was answered."""
        self.how, self.value = "ok", value

    def fail(self, **value: Any) -> None:  # noqa: ANN401 - JSON
        """It surely did not happen."""
        self.how, self.value = "fail", value


def _line(out: TextIO, name: str, fields: Mapping[str, Any]) -> None:
    out.write(json.dumps({"is": name, **fields}, default=_plain, sort_keys=True) + "\n")


def _plain(value: Any) -> Any:  # noqa: ANN401 - anything but JSON
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} in a history")


def _take(history: History, line: dict[str, Any]) -> None:
    name = line.pop("is")
    if name in _OF:
        getattr(history, _OF[name]).append(_record(name, line))
    elif name == "Dump":
        history.dumps.setdefault(line["app"], {})
    elif name == "Held":
        held = records.Held(line["version"], _pairs(line["allowed"]))
        history.dumps.setdefault(line["app"], {})[line["contact"]] = held
    elif name == "Scope":
        scope = records.Scope(frozenset(line["channels"]), frozenset(line["purposes"]))
        history.scopes[line["app"]] = scope
    else:
        raise ValueError(f"a history holds no {name}")


def _record(name: str, fields: dict[str, Any]) -> Any:  # noqa: ANN401 - one of `_OF`
    for place in ("allowed", "objected"):
        if place in fields:
            fields[place] = _pairs(fields[place])
    if "held_by" in fields:
        fields["held_by"] = tuple(fields["held_by"])
    if "fact" in fields:
        fields["fact"] = _fact(fields["fact"])
    return getattr(records, name)(**fields)


def _pairs(found: list[list[str]]) -> frozenset[tuple[str, str, str]]:
    return frozenset((channel, purpose, brand) for channel, purpose, brand in found)


def _fact(found: list[Any]) -> Fact:
    """A NamedTuple inside another is written as a list."""
    fact = Fact(*found)
    return fact._replace(
        kind=Kind(fact.kind), strength=Strength(fact.strength),
        channels=frozenset(fact.channels), purposes=frozenset(fact.purposes),
        brands=frozenset(fact.brands), reach=frozenset(fact.reach),
    )  # fmt: skip
