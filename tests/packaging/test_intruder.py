"""A foreign package that takes one of our import names is refused at start, by name."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.packaging.conftest import Environment

START: Final = ("noli", "--version")


@pytest.fixture
def intruder(tmp_path: Path) -> Path:
    """A wheel that brings the top-level name `connectors`, as one on PyPI does."""
    path = tmp_path / "connectors-4.1-py3-none-any.whl"
    info = "connectors-4.1.dist-info"
    files = {
        "connectors/__init__.py": "VERSION = '4.1'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: connectors\nVersion: 4.1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{info}/RECORD"
    files[record] = "".join(f"{name},,\n" for name in [*files, record])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_a_process_starts_only_where_its_names_are_its_own(
    make_environment: Callable[[], Environment], intruder: Path
) -> None:
    """Ours alone starts; beside the intruder, and after it left a hole, the start is refused."""
    place = make_environment()
    assert place.run(*START).returncode == 0
    place.pip("install", "--no-deps", "--no-index", str(intruder))
    beside = place.run(*START)
    assert beside.returncode == 1
    assert "'connectors' is not Noli's" in beside.stderr
    assert "belongs to: connectors" in beside.stderr
    place.pip("uninstall", "--yes", "connectors")
    after = place.run(*START)
    assert after.returncode == 1
    assert "its __init__.py is gone" in after.stderr
    assert "environment of its own" in after.stderr
