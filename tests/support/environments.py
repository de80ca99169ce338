"""Environments of other people's servers, each made once from its hashed requirements.

They are not ours to depend on, and want other versions of what we do depend on.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from noli.cli.stack.jars import cache_dir

REQUIREMENTS: Final = Path(__file__).parent / "requirements"
#: A test session that waits for another one's installation, or its own, in seconds.
INSTALL_S: Final = 100.0


def environment(name: str) -> Path:
    """The folder of the environment of `requirements/<name>.txt`; its programs are in `bin`."""
    requirements = REQUIREMENTS / f"{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    home = cache_dir() / f"peer-{name}-{digest[:12]}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "stamp").exists():
            shutil.rmtree(home, ignore_errors=True)
            uv = Path(sys.executable).with_name("uv")
            run(uv, "venv", "--quiet", "--python", sys.executable, home)
            sync = (uv, "pip", "sync", "--quiet", "--require-hashes", requirements)
            run(*sync, "--python", home / "bin" / "python")
            (home / "stamp").touch()
    return home


def run(*argv: object, cwd: Path | None = None) -> None:
    """Run to the end. Raises AssertionError with what it said."""
    words = [str(word) for word in argv]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=INSTALL_S, cwd=cwd
    )
    assert done.returncode == 0, f"{' '.join(words[:4])}: {(done.stdout + done.stderr)[-4000:]}"


if __name__ == "__main__":
    for each in sorted(REQUIREMENTS.glob("*.txt")):
        print(f"{each.stem}: {environment(each.stem)}")  # noqa: T201 - `make peers`
