"""How often the writer died over one copy: the way out of a damage that kills whoever touches it.

LMDB trusts its pages, so a damaged one may end the process (SIGSEGV, SIGBUS) before any of our
checks runs; restarted, it would die over the same page for ever, and readers would deny for ever.
A copy over which so many lives in a row ended without a word is built anew instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from noli.replica.head import Refused

#: Beside the generations; the name of one of them and a count.
_LIVES: Final = "lives"

#: Deaths in a row that a copy is forgiven: one may be an operator, or a machine short of memory.
_FORGIVEN: Final = 3

#: A life that lasted so long, in seconds, had nothing to do with the copy when it ended.
HELD_S: Final = 10.0


def begin(copy: Path, generation: str) -> None:
    """A life over this generation begins. Raises `Refused` where too many ended at once."""
    deaths = _deaths(copy, generation)
    if deaths >= _FORGIVEN:
        end(copy)
        raise Refused(f"{deaths} writers in a row were killed over it")
    (copy / _LIVES).write_text(f"{generation} {deaths + 1}\n", "ascii")


def end(copy: Path) -> None:
    """The life held, or ends in an orderly way."""
    (copy / _LIVES).unlink(missing_ok=True)


def _deaths(copy: Path, generation: str) -> int:
    try:
        name, count = (copy / _LIVES).read_text("ascii").split()
        return int(count) if name == generation else 0
    except (OSError, ValueError):
        return 0
