"""The built wheel in an environment of its own.

The locked dependencies are not fetched again: a `.pth` line puts this environment's site-packages
behind the new one's. They are the same locked bytes, the room stays offline and takes seconds; and
since a path added so has its own `.pth` files ignored, the editable install here is not seen.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the wheel in it; commands run from an empty folder."""

    bin: Path
    cwd: Path

    def run(self, command: str, *args: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment; its output is captured, its exit code not judged."""
        return subprocess.run(
            [self.bin / command, *args],
            cwd=self.cwd, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run Python code as the image does: without the working directory on the path."""
        return self.run("python", "-P", "-c", code)

    def pip(self, *args: str) -> None:
        """Change what is installed, from files only."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python")]
        subprocess.run(
            [*pip, "--disable-pip-version-check", *args], check=True, capture_output=True
        )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the locked hatchling."""
    dist = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (built,) = dist.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def make_environment(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Environment]:
    """Make a fresh environment holding the wheel."""

    def make() -> Environment:
        home = tmp_path_factory.mktemp("venv")
        venv.create(home / "venv", with_pip=False)
        made = Environment(home / "venv" / "bin", home / "empty")
        made.cwd.mkdir()
        (site,) = (home / "venv" / "lib").glob("python*/site-packages")
        (site / "locked-dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        made.pip("install", "--no-deps", "--no-index", str(wheel))
        return made

    return make


@pytest.fixture(scope="session")
def installed(make_environment: Callable[[], Environment]) -> Environment:
    """One environment for the tests that only look."""
    return make_environment()
