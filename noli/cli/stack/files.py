"""The stack's own files, those it ships with (`local/`) and those it writes."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from noli.cli.problem import ProblemError

_HERE: Final = Path(__file__).resolve().parent
#: Directory that holds the packages `noli`, `schemas`, `streams`, `connectors`.
IMPORT_ROOT: Final = _HERE.parents[2]

#: Enough for the last lines of any log.
_TAIL_BYTES: Final = 32_768

PRIVATE_DIR: Final = 0o700
PRIVATE_FILE: Final = 0o600


def stack_file(name: str) -> Path:
    """Path of `pom.xml`, `server.properties` or `log4j2.properties`."""
    path = _HERE / "local" / name
    if not path.is_file():
        raise ProblemError(f"{name} of the local stack is missing", "reinstall noli")
    return path


def private_dir(path: Path) -> Path:
    """Make a directory that only its owner enters; its absolute path. Raises `ProblemError`."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR)
        path.chmod(PRIVATE_DIR)
    except OSError as error:
        raise ProblemError(
            f"{path} cannot be the stack's directory: {error.strerror}",
            "name one that this user may write: --data DIR",
        ) from error
    return path.resolve()


def write_atomic(path: Path, text: str, *, durable: bool = False) -> None:
    """Write `text`, mode 0600, so that a reader sees the old file or the whole new one.

    `durable`: the new one also survives a power cut, for what cannot be made again.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            if durable:
                os.fsync(out.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:  # noqa: ANN401 - each file has its own shape
    """What the file holds, None where there is none. Raises `ProblemError` if it is unreadable."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ProblemError(
            f"{path} cannot be read: {error}",
            "the stack may belong to another user, or the file was edited; `noli up` writes it",
        ) from error


def last_lines(path: Path, count: int = 15) -> str:
    """The last `count` lines of a log, or a note that there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = log.read().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return f"(no log at {path})"
    return "\n".join(lines[-count:]) or "(the log is empty)"
