"""A worker kept ready in reserve: everything loaded, nothing owned, until it is told to go.

Importing and connecting takes most of a second, taking over a tenth of it. A supervisor that keeps
a spare (`NOLI_SPARE=1`) tells it to go the moment the worker dies, by a line on its stdin. When the
supervisor itself dies the pipe closes, and the spare ends: it must never start on its own.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

VARIABLE: Final = "NOLI_SPARE"


def dismissed() -> bool:
    """Wait here if this process is a spare; whether it was dismissed instead of told to go."""
    if not os.environ.get(VARIABLE):
        return False
    # Nothing to wind up yet: SIGTERM simply ends a spare, as no handler can end this read.
    handler = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    line = sys.stdin.readline()
    signal.signal(signal.SIGTERM, handler)
    return not line
