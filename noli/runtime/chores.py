"""Work that comes from no record: keys whose moment has come, keys under a label, or all keys.

Both are done in slices between polls, so that neither a million moments in the same second nor a
source with a million contacts ever stands before an objection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from noli.runtime.clock import now_ms
from noli.runtime.metrics import loop
from noli.runtime.trail import Owes
from schemas.codec import lead

if TYPE_CHECKING:
    from noli.runtime.part import Part, Step

#: Keys looked at between two polls: at ~0.1 ms each they delay an objection by 10 ms at most.
_SLICE: Final = 100


@dataclass(slots=True)
class Sweep:
    """Every key under a label, once; without a label every key. `after` is the last one done."""

    label: bytes | None
    after: bytes = b""


def chores(part: Part, step: Step) -> bool:
    """One slice of what is due in a partition; whether anything was.

    The caller delivers and stores; until then a crash repeats the slice, which changes nothing.
    """
    if part.sweeps:
        _sweep(part, part.sweeps[0], step)
        return True
    return _wake(part, step)


def _wake(part: Part, step: Step) -> bool:
    due = part.store.due(now_ms(), _SLICE)
    for moment, key in due:
        value = part.load(key)
        # An entry of an older value: its key has another moment by now, or none.
        if value is not None and lead(value).wake == moment:
            step.rederive(key, part)
    if due:
        part.woken.extend(due)
        loop.WAKES.inc(len(due))
    return bool(due)


def _sweep(part: Part, sweep: Sweep, step: Step) -> None:
    if sweep.label is None:
        keys = part.store.behind(sweep.after, _SLICE)
        for key in keys:
            step.restate(key, part)
    else:
        keys = part.store.labelled(sweep.label, sweep.after, _SLICE)
        for key in keys:
            step.rederive(key, part)
    loop.SWEPT.inc(len(keys))
    if keys:
        sweep.after = keys[-1]
        return
    part.sweeps.popleft()
    if sweep.label is None:
        part.owes = Owes.NOTHING
    else:
        step.swept(sweep.label, part)
