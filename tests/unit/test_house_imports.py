"""Importing a module of ours does no work: no file written, no socket, process or thread."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("schemas", "noli", "streams", "connectors")
#: Runs in a process of its own: an audit hook cannot be taken off again. Bytecode is not written,
#: so whatever is opened for writing is ours. Prints `module: what it did`, one a line.
PROBE: Final = """
import importlib, os, sys, threading
sys.dont_write_bytecode = True
WORK = {"socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork",
        "os.mkdir", "os.remove", "os.rename", "os.system", "os.posix_spawn"}
now = ""
def hook(event, args):
    written = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
    if event in WORK or (written and args[0] != os.devnull):
        print(f"{now}: {event} {args[:1]}")
sys.addaudithook(hook)
for now in sys.argv[1:]:
    before = threading.active_count()
    importlib.import_module(now)
    if threading.active_count() > before:
        print(f"{now}: started a thread")
"""
#: Of others: croniter, which Faust brings, asks `file` how wide a machine word is. Shrink it.
WAIVED: Final = ("subprocess.Popen ('file',)",)


def names() -> list[str]:
    """Every importable module of ours; `__main__` is where work is meant to start."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in paths]
    return [".".join(p).removesuffix(".__init__") for p in parts if p[-1] != "__main__"]


def test_importing_does_no_work() -> None:
    """Every module imports without writing, connecting, or starting anything."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *names()],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    work = [line for line in done.stdout.splitlines() if not line.endswith(WAIVED)]
    assert (work, done.returncode) == ([], 0), done.stderr[-2000:]
