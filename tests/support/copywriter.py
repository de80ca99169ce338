"""A log that anyone can recompute, its copy's writer, and a reader who knows every right answer.

Of a step (milliseconds since `began`) the log decides on all people at once, each by `allows`; a
writer takes the step of its moment, a beacon with it. So whatever a gate answers can be judged by
the answer's own `as_of`: a torn read, half a transaction or an allowance too many is seen at once.
All run as processes of their own, which may be killed at any instruction.
"""

from __future__ import annotations

import multiprocessing
import os
import random
from collections.abc import Iterator
from contextlib import closing
from ctypes import Array, c_longlong
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Final, NamedTuple

from noli.domain.question import Question
from noli.domain.token import token
from noli.replica import store as copies
from noli.replica.build import Spool, fill
from noli.replica.gate import Gate
from noli.replica.head import Refused
from noli.replica.intern import Interner
from noli.replica.lock import only_writer
from noli.replica.put import put
from noli.replica.store import Store
from noli.replica.take import Taker
from noli.runtime.clock import now_ms
from schemas.names import BEACON_KEY
from tests.support.copies import CODEC, CONTROLLER, PEPPER, Message, blank, decision, denial, row
from tests.support.replica import person

PEOPLE: Final = 60

#: A reader's exit code when it was given a wrong answer.
WRONG: Final = 3

#: Exit code of a reader that LMDB's own checks or the machine ended.
STALE: Final = ("STALE_REPLICA",)

_TOKENS: Final = [token(PEPPER, CONTROLLER, person(number)) for number in range(PEOPLE)]
_QUESTIONS: Final = [
    Question(CONTROLLER, person(number), "operator_call", "marketing") for number in range(PEOPLE)
]
#: Transactions between two looks for slots of dead readers.
_TEND_EVERY: Final = 20


class Seen(NamedTuple):
    """What readers tell, one slot each: a lock would die with whoever holds it."""

    answers: Array[c_longlong]
    allowed: Array[c_longlong]
    newest: Array[c_longlong]


def processes() -> ForkServerContext:
    """Children made by a small server that has this module loaded: some 10 ms each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def allows(step: int, number: int) -> bool:
    """The log's verdict on a person in a step."""
    return (step * 2_654_435_761 + number * 40_503) >> 7 & 3 == 0


def write(copy: Path, began: int, seed: int) -> None:
    """Write until killed; one life in three begins with a rebuild."""
    with only_writer(copy):
        if random.Random(seed).randrange(3) == 0:
            copies.withdraw(copy)
        generation = copies.current(copy) or _built(copy, began)
        copies.sweep(copy)
        with closing(Store(generation, write=True)) as store:
            interner = Interner(CODEC, store.all_shapes())
            turn = 0
            while True:
                head = store.head()
                taker = Taker(CODEC, interner, head.pepper_version, head.positions)
                entries = taker.take(_records(began, head.positions[0].frontier)).entries
                put(store, interner, entries, head.at(taker.positions()))
                turn += 1
                if turn % _TEND_EVERY == 0:
                    store.env.reader_check()


def _built(copy: Path, began: int) -> Path:
    generation = copies.next_generation(copy)
    interner = Interner(CODEC, [])
    taker = Taker(CODEC, interner, PEPPER.version, blank().positions)
    spool = Spool(generation / "spool")
    spool.add(taker.take(_records(began, 0)).entries)
    with closing(Store(generation, write=True, durable=False)) as store:
        fill(store, spool, interner, blank().at(taker.positions()))
    copies.publish(copy, generation)
    return generation


def _records(began: int, frontier: int) -> Iterator[Message]:
    """The step of this moment, as the compacted log would give it."""
    moment = now_ms()
    step = moment - began
    for number, key in enumerate(_TOKENS):
        rows = [row()] if allows(step, number) else [denial("OBJECTED")]
        value = CODEC.encode("noli.Decision", decision(rows, version=step + 1))
        yield Message(0, frontier + number, key, value)
    beacon = CODEC.encode("noli.Beacon", {"epoch": 1, "as_of": moment})
    yield Message(0, frontier + PEOPLE, BEACON_KEY, beacon)


def read(copy: Path, began: int, seen: Seen, slot: int, most: int) -> None:
    """Ask for all people, `most` times (0: until killed); exit `WRONG` at a wrong answer."""
    newest = 0
    with Gate.open(copy, pepper=PEPPER) as gate:
        turn = 0
        while not most or turn < most:
            turn += 1
            answers = gate.check_many(_QUESTIONS)
            moments = {answer.as_of for answer in answers}
            stale = [answer for answer in answers if answer.reasons == STALE]
            if stale:
                right = len(stale) == len(answers) and not any(a.allowed for a in answers)
            else:
                moment = moments.pop() or 0
                right = (
                    not moments
                    and moment >= newest
                    and all(
                        answer.allowed == allows(moment - began, number)
                        for number, answer in enumerate(answers)
                    )
                )
                newest = moment
                seen.allowed[slot] += sum(answer.allowed for answer in answers)
                seen.newest[slot] = moment
            seen.answers[slot] += len(answers)
            if not right:
                os._exit(WRONG)


def has_copy(copy: Path) -> bool:
    """Whether a copy stands that could be read."""
    generation = copies.current(copy)
    if generation is None:
        return False
    try:
        with closing(Store(generation)) as store:
            store.head()
    except (Refused, OSError):
        return False
    return True
