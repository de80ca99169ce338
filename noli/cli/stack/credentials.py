"""What the first `noli up` mints in DATA: the pepper of contact tokens and API keys.

Both stay for the life of the directory: another pepper would make every known contact a stranger.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from noli.cli.problem import ProblemError
from noli.cli.stack.files import write_atomic
from noli.runtime import apikeys

PEPPER_FILE: Final = "pepper"
KEY_FILE: Final = "api-key"
KEYS_FILE: Final = "api-keys.json"
_PEPPER_BYTES: Final = 32
CANARY_KEY_FILE: Final = "canary-key"
_KEY_NAME: Final = "local-stack"
_SCOPES: Final = tuple(scope for scope in apikeys.SCOPES if scope != apikeys.CANARY)
_CANARY_NAME: Final = "canary"
_CANARY_SCOPES: Final = ("events:write", "decisions:read", apikeys.CANARY)


def pepper(data: Path) -> str:
    """The stack's pepper, 64 hexadecimal digits. Raises `ProblemError` for a damaged file."""
    path = data / PEPPER_FILE
    if not path.exists():
        write_atomic(path, secrets.token_hex(_PEPPER_BYTES) + "\n", durable=True)
    found = path.read_text("utf-8").strip()
    if not re.fullmatch(f"[0-9a-f]{{{2 * _PEPPER_BYTES}}}", found):
        raise ProblemError(
            f"{path} is not a pepper (64 hexadecimal digits)",
            "restore it from a backup: with another pepper every known contact is unknown",
        )
    return found


def api_key(data: Path) -> str:
    """The stack's own API key for everything people do; DATA/api-keys.json holds its hash only."""
    return _key(data, KEY_FILE, _KEY_NAME, _SCOPES)


def canary_key(data: Path) -> str:
    """The prober's API key, in a file of its own."""
    return _key(data, CANARY_KEY_FILE, _CANARY_NAME, _CANARY_SCOPES)


def _key(data: Path, file: str, name: str, scopes: Sequence[apikeys.Scope]) -> str:
    path = data / file
    keys = apikeys.read(data / KEYS_FILE) if (data / KEYS_FILE).exists() else []
    known = {key.hash for key in keys}
    if path.exists() and apikeys.digest(found := path.read_text("utf-8").strip()) in known:
        return found
    fresh, entry = apikeys.new(name, scopes)
    write_atomic(path, fresh + "\n", durable=True)
    apikeys.write(data / KEYS_FILE, [*(key for key in keys if key.name != name), entry])
    return fresh
