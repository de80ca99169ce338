"""Certificates of lists that were scrubbed over HTTP, kept until they are fetched."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final

#: Certificates kept, the newest; some 1.5 KB each.
MOST: Final = 1_000

#: An id says the order of its making (milliseconds, hexadecimal) and cannot be guessed.
_ID: Final = re.compile(r"[0-9a-f]{12}-[0-9a-f]{32}")
_RANDOM_BYTES: Final = 16


class Kept:
    """Certificates in a directory, one a file. They hold no contact."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def id(self, moment: int) -> str:
        """An id for a scrub that begins at `moment`, milliseconds since the epoch."""
        return f"{moment:012x}-{secrets.token_hex(_RANDOM_BYTES)}"

    def put(self, id_: str, signed: bytes) -> None:
        """Keep one; the oldest beyond `MOST` go. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._folder / f".{id_}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(signed)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self._folder / id_)
        known = sorted(path for path in self._folder.iterdir() if _ID.fullmatch(path.name))
        for path in known[:-MOST]:
            path.unlink(missing_ok=True)

    def get(self, id_: str) -> bytes | None:
        """The certificate of an id; None where there is none."""
        if not _ID.fullmatch(id_):
            return None
        try:
            return (self._folder / id_).read_bytes()
        except FileNotFoundError:
            return None
