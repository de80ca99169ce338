"""Small real disks: an ext4 image on a loop device, to be filled and emptied again.

A quota on tmpfs would do for a file, but a JVM that maps a file of a full tmpfs dies of SIGBUS; a
full ext4 gives the ENOSPC that a server sees. Needs root and loop devices: skipped aloud without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

_MIB: Final = 1 << 20
_BALLAST: Final = ".ballast"
_TOOL_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted file system of its own."""

    root: Path

    def fill(self, leave_bytes: int = 0) -> None:
        """Leave so many bytes free and no more."""
        ballast = self.root / _BALLAST
        free = shutil.disk_usage(self.root).free - leave_bytes
        with ballast.open("ab") as out:
            size = out.tell()
            block = 4096
            while free >= block:
                try:
                    os.posix_fallocate(out.fileno(), size, free)
                    return
                except OSError:
                    free //= 2  # what the file system keeps for itself is not told

    def free(self) -> None:
        """Give the room back."""
        (self.root / _BALLAST).unlink(missing_ok=True)


def missing() -> str:
    """Why there can be no such disk here; empty: there can."""
    if os.geteuid() != 0:
        return "mounting a loop device needs root"
    for tool in ("mkfs.ext4", "mount", "umount"):
        if shutil.which(tool) is None and shutil.which(tool, path="/usr/sbin:/sbin") is None:
            return f"{tool} is not installed: apt-get install e2fsprogs mount"
    return ""


@contextmanager
def disk(image: Path, root: Path, size_mib: int) -> Iterator[Disk]:
    """A fresh ext4 of that size mounted at `root`; unmounted and deleted at the end."""
    if reason := missing():
        pytest.skip(reason)
    with image.open("wb") as out:
        out.truncate(size_mib * _MIB)
    _run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(image))
    root.mkdir(parents=True, exist_ok=True)
    try:
        _run("mount", "-o", "loop", str(image), str(root))
    except subprocess.CalledProcessError as error:
        image.unlink()
        pytest.skip(f"this kernel mounts no loop device: {error.stderr.strip()}")
    try:
        yield Disk(root)
    finally:
        _run("umount", "-l", str(root))
        image.unlink()


def _run(*command: str) -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        timeout=_TOOL_S,
        env={**os.environ, "PATH": path},
    )
