"""Bits and pages of the copy damaged at random, while its old pages still hold old allowances."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from noli.domain.question import Question
from noli.replica import store as copies
from noli.replica.gate import Gate
from noli.replica.intern import Interner
from noli.replica.put import put
from noli.replica.store import Store
from noli.replica.take import Taker
from noli.runtime.clock import now_ms
from tests.support import copywriter
from tests.support.copies import CODEC, CONTROLLER, PEPPER, Log, decision, denial, make, row
from tests.support.replica import person

LONG: Final = os.environ.get("NOLI_CHAOS") == "long"
SEED: Final = int(os.environ.get("NOLI_CHAOS_SEED") or secrets.randbelow(100_000))
DAMAGES: Final = 1_000 if LONG else 160
#: A damage after which the process ends called nobody.
CRASHES: Final = {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT, -signal.SIGFPE}
LIVES: Final = 20

PEOPLE: Final = 3_000
STEP: Final = 300
ALLOWED: Final = range(PEOPLE - 30, PEOPLE)
QUESTIONS: Final = [
    Question(CONTROLLER, person(number), "operator_call", "marketing") for number in range(PEOPLE)
]
_PAGE: Final = 4096
#: Of LMDB's page: where its flags stand, the bit of a branch, the bytes of its header.
_FLAGS_AT: Final = 10
_BRANCH: Final = 1
_HEADER: Final = 16
#: Where a page's header and its pointers stand: what most of LMDB's trust rests on.
_STRUCTURE: Final = 120
WRONG: Final = 3


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """All were allowed once, then all but a few denied, in transactions that left old pages."""
    log = Log()
    log.claim(1)
    for number in range(PEOPLE):
        log.decide(person(number), decision([row()]))
    log.beacon(now_ms())
    generation = make(tmp_path / "copy", log)
    with closing(Store(generation, write=True, durable=False)) as store:
        interner = Interner(CODEC, store.all_shapes())
        for first in range(0, ALLOWED.start, STEP):
            head = store.head()
            taker = Taker(CODEC, interner, head.pepper_version, head.positions)
            more = Log()
            for number in range(first, min(first + STEP, ALLOWED.start)):
                more.decide(person(number), decision([denial("OBJECTED")], version=2))
            put(store, interner, taker.take(more.messages).entries, head)
    print(f"NOLI_CHAOS_SEED={SEED}")
    return tmp_path / "copy"


def damage_and_ask(copy: Path, seed: int, done: Path) -> None:
    """Damage one place, ask for all, mend it, go on; exit `WRONG` when one too many is allowed."""
    chance = random.Random(seed)
    generation = copies.current(copy)
    assert generation is not None
    file = os.open(generation / "data.mdb", os.O_RDWR)
    size = os.fstat(file).st_size
    pointers = [*_pointers(file, size)]
    for count in range(1, DAMAGES + 1):
        at, rubbish = _damage(chance, file, size)
        if chance.randrange(2):  # to a page that may hold what stood there before
            at = chance.choice(pointers)
            rubbish = bytes([os.pread(file, 1, at)[0] ^ 1 << chance.randrange(8)])
        whole = os.pread(file, len(rubbish), at)
        os.pwrite(file, rubbish, at)
        with Gate.open(copy, pepper=PEPPER, lease_seconds=600) as gate:
            answers = gate.check_many(QUESTIONS)
        # A meta page that is lost leaves the copy as it was one transaction ago, and so told.
        known = ALLOWED.start - (STEP if at < 2 * _PAGE else 0)
        if any(answer.allowed for answer in answers[:known]):
            os._exit(WRONG)
        os.pwrite(file, whole, at)
        done.write_text(str(count))


def _pointers(file: int, size: int) -> Iterator[int]:
    """Where branch pages name the pages below them."""
    for page in range(2 * _PAGE, size, _PAGE):
        content = os.pread(file, _PAGE, page)
        flags, lower = struct.unpack_from("<HH", content, _FLAGS_AT)
        if flags & _BRANCH:
            for at in range(_HEADER, lower, 2):
                yield page + struct.unpack_from("<H", content, at)[0]


def _damage(chance: random.Random, file: int, size: int) -> tuple[int, bytes]:
    """A place, and what is written there: a flipped bit, or a whole page."""
    page = chance.randrange(size // _PAGE) * _PAGE
    if chance.randrange(5) == 0:
        return page, chance.choice((bytes(_PAGE), chance.randbytes(_PAGE)))
    at = page + chance.randrange(chance.choice((_STRUCTURE, _PAGE)))
    return at, bytes([os.pread(file, 1, at)[0] ^ 1 << chance.randrange(8)])


def test_damage_never_allows(copy: Path, tmp_path: Path) -> None:
    """Whatever is damaged: those who are denied stay so; at worst the process that asks ends."""
    done = tmp_path / "done"
    left = DAMAGES
    for life in range(LIVES):
        fresh = tmp_path / f"copy-{life}"
        shutil.copytree(copy, fresh)
        asker = copywriter.processes().Process(
            target=damage_and_ask, args=(fresh, SEED + life, done)
        )
        asker.start()
        asker.join()
        assert asker.exitcode == 0 or asker.exitcode in CRASHES, f"{WRONG}: one was allowed"
        left -= int(done.read_text())
        if left <= 0:
            break
    assert left <= 0, "the processes ended before enough was damaged"


def test_the_few_who_may_be_called_are_answered(copy: Path) -> None:
    """The copy that is damaged above does allow somebody while it is whole."""
    with Gate.open(copy, pepper=PEPPER, lease_seconds=600) as gate:
        answers = gate.check_many(QUESTIONS)
    assert [n for n, answer in enumerate(answers) if answer.allowed] == [*ALLOWED]
