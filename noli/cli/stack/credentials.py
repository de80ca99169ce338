"""What the first `noli up` mints in DATA: the pepper of contact tokens and an API key.

Both stay for the life of the directory: another pepper would make every known contact a stranger.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final

from noli.cli.problem import ProblemError
from noli.cli.stack.files import write_atomic
from noli.runtime import apikeys

PEPPER_FILE: Final = "pepper"
KEY_FILE: Final = "api-key"
KEYS_FILE: Final = "api-keys.json"
_PEPPER_BYTES: Final = 32
_KEY_NAME: Final = "local-stack"


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
    """The stack's own API key with every scope; DATA/api-keys.json holds its hash only."""
    path = data / KEY_FILE
    keys = apikeys.read(data / KEYS_FILE) if (data / KEYS_FILE).exists() else []
    known = {key.hash for key in keys}
    if path.exists() and apikeys.digest(found := path.read_text("utf-8").strip()) in known:
        return found
    fresh, entry = apikeys.new(_KEY_NAME, apikeys.SCOPES)
    write_atomic(path, fresh + "\n", durable=True)
    apikeys.write(data / KEYS_FILE, [*(key for key in keys if key.name != _KEY_NAME), entry])
    return fresh
