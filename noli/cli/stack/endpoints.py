"""`DATA/endpoints.json`: where the running stack is reached; kept current, replaced atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from noli.cli.stack.files import read_json, write_atomic

FILE: Final = "endpoints.json"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The file's fields. URLs have no trailing slash; `processes` holds live workers' pids."""

    intake: str
    lookup: str
    status: str
    kafka: str
    registry: str
    api_key: str
    processes: Mapping[str, int]

    def write(self, data: Path) -> None:
        """Replace the file; it holds the API key, so only its owner may read it."""
        write_atomic(data / FILE, json.dumps(asdict(self), indent=2) + "\n")


def read(data: Path) -> Endpoints | None:
    """The endpoints of the stack in `data`, None when none is recorded there."""
    found = read_json(data / FILE)
    return None if found is None else Endpoints(**found)


def forget(data: Path) -> None:
    """A stack that does not run has no endpoints."""
    (data / FILE).unlink(missing_ok=True)
