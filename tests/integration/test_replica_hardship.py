"""The copy's writer in hardship: no room, damaged pages, killed over and over, another pepper."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from noli.domain.token import Pepper
from noli.replica import lives
from noli.replica import store as copies
from noli.replica.gate import Gate
from tests.support.copies import PEPPER
from tests.support.replica import (
    ALLOWED,
    DEADLINE_S,
    DENIED,
    Lab,
    allowed,
    ask,
    laboratory,
    soon,
)
from tests.support.stack import Stack

#: Room for the copy of a few hundred contacts, not for that of twenty thousand.
ROOM: Final = 512 << 10
MANY: Final = range(20_000)
_PAGE: Final = 4096


@pytest.fixture
def lab(stack: Stack, tmp_path: Path) -> Iterator[Lab]:
    """An empty topic and no copy yet; at the end no process is left."""
    with laboratory(stack, tmp_path) as made:
        yield made


@contextmanager
def little_room(lab: Lab, how: str) -> Iterator[None]:
    """What is started within has no more than `ROOM` for its copy."""
    if how == "limit":
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, most))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        return
    lab.copy.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(lab.copy)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a small disk here; the limit of a file's size stands for it")
    yield


@pytest.fixture
def roomy(lab: Lab) -> Iterator[None]:
    """Whatever was mounted is gone at the end."""
    yield
    for process in lab.running:
        process.kill()
        process.wait()
    if lab.copy.is_mount():
        subprocess.run(["umount", str(lab.copy)], check=True)


def give_room(lab: Lab) -> None:
    """The disk is large again."""
    if lab.copy.is_mount():
        subprocess.run(["mount", "-o", "remount,size=64m", str(lab.copy)], check=True)


@pytest.mark.parametrize("how", ["limit", "disk"])
@pytest.mark.usefixtures("roomy")
def test_a_full_disk_ends_the_writer_and_breaks_nothing(lab: Lab, how: str) -> None:
    """It says so and ends; what stood is answered until its lease; with room it goes on."""
    lab.claim()
    lab.decide(ALLOWED, range(100))
    lab.beacon()
    with little_room(lab, how):
        process = lab.start()
    assert soon(lab.is_ready)
    generation = copies.current(lab.copy)
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        assert allowed(gate, range(100)) == 100
        lab.decide(ALLOWED, MANY, version=2)
        lab.decide(DENIED, range(100), version=3)
        assert process.wait(DEADLINE_S) == 1
        last = lab.said().splitlines()[-1]
        assert "room" in last, last
        assert "NOLI_REPLICA" in last
        assert ask(gate, 0).reasons in {(), ("OBJECTED",)}
        give_room(lab)
        lab.beacon()
        lab.start()
        assert soon(lab.is_ready)
        assert copies.current(lab.copy) == generation
        assert allowed(gate, range(100)) == 0
        assert allowed(gate, MANY) == len(MANY) - 100


@pytest.mark.parametrize("how", ["limit"])
@pytest.mark.usefixtures("roomy")
def test_a_disk_too_small_for_the_copy_publishes_none(lab: Lab, how: str) -> None:
    """A build that finds no room ends the writer; readers deny; with room it is built."""
    lab.claim()
    lab.decide(ALLOWED, MANY)
    lab.beacon()
    with little_room(lab, how):
        process = lab.start()
    assert process.wait(DEADLINE_S) == 1
    assert "room" in lab.said().splitlines()[-1]
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        assert ask(gate, 0).reasons == ("STALE_REPLICA",)
        give_room(lab)
        lab.start()
        assert soon(lab.is_ready)
        assert soon(lambda: allowed(gate, MANY) == len(MANY))
    assert len([*lab.copy.glob("g-*")]) == 1


def test_pages_damaged_under_a_running_writer_allow_nobody(lab: Lab) -> None:
    """Every page but the first two is rubbish: refused by readers, and built anew by the writer."""
    lab.claim()
    lab.decide(ALLOWED, range(2_000))
    lab.decide(DENIED, range(2_000), version=2)
    lab.beacon()
    lab.start()
    assert soon(lab.is_ready)
    generation = copies.current(lab.copy)
    assert generation is not None
    file = generation / "data.mdb"
    with file.open("r+b") as pages:
        pages.seek(2 * _PAGE)
        pages.write(os.urandom(file.stat().st_size - 2 * _PAGE))
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        assert allowed(gate, range(2_000)) == 0
        lab.decide(ALLOWED, range(5), version=3)
        lab.beacon()
        # Where the page ended the process, somebody starts it again.
        while not soon(lambda: _is_other(lab, generation) or _is_over(lab)) or _is_over(lab):
            assert len(lab.running) < 6
            lab.start()
        assert soon(lab.is_ready)
        assert soon(lambda: allowed(gate, range(2_000)) == 5)


def _is_other(lab: Lab, generation: Path) -> bool:
    return copies.current(lab.copy) not in {None, generation}


def _is_over(lab: Lab) -> bool:
    return lab.running[-1].poll() is not None


def test_a_copy_that_kills_its_writers_is_built_anew(lab: Lab) -> None:
    """One died over it already, two more do by a fault of memory: the next one refuses it."""
    lab.claim()
    lab.decide(ALLOWED, range(10))
    lab.beacon()
    lab.stop(_ready(lab))
    generation = copies.current(lab.copy)
    assert generation is not None
    lives.begin(lab.copy, generation.name)
    for _ in range(2):
        lab.stop(_ready(lab), signal.SIGSEGV)
        assert copies.current(lab.copy) == generation
    _ready(lab)
    assert copies.current(lab.copy) != generation
    assert "killed over it" in lab.said()


def _ready(lab: Lab) -> subprocess.Popen[bytes]:
    process = lab.start()
    assert soon(lab.is_ready)
    return process


def test_a_rotated_pepper_builds_another_copy(lab: Lab) -> None:
    """The old gate denies, the new one knows nobody until the log speaks with the new pepper."""
    rotated = Pepper(PEPPER.version + 1, secrets.token_bytes(32))
    lab.claim()
    lab.decide(ALLOWED, range(100))
    lab.beacon()
    first = lab.start()
    assert soon(lab.is_ready)
    with (
        Gate.open(lab.copy, pepper=PEPPER) as old,
        Gate.open(lab.copy, pepper=rotated) as new,
    ):
        assert (allowed(old, range(100)), allowed(new, range(100))) == (100, 0)
        assert ask(new, 0).reasons == ("STALE_REPLICA",)
        lab.stop(first)
        lab.start(NOLI_PEPPER=rotated.secret.hex(), NOLI_PEPPER_VERSION=str(rotated.version))
        assert soon(lab.is_ready)
        assert soon(lambda: ask(old, 0).reasons == ("STALE_REPLICA",))
        assert lab.metric('noli_replica_records_total{outcome="other_pepper"}') == 100
        assert soon(lambda: ask(new, 0).reasons == ("NO_BASIS",))
        lab.decide(ALLOWED, range(50), pepper=rotated)
        assert soon(lambda: allowed(new, range(100)) == 50)
        assert allowed(old, range(100)) == 0
