"""The copy of noli.decisions a command works on: the environment's, else the local stack's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from noli.runtime.settings import Settings

#: Where `noli up` has its workers keep it, below DATA.
LOCAL: Final = "replica"


def place(data: Path, settings: Settings) -> Path:
    """The copy's directory, which may not be there."""
    local = data / LOCAL
    return local if "NOLI_REPLICA" not in os.environ and local.exists() else settings.replica
