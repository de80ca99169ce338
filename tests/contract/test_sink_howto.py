"""The sink of docs/howto/write-a-sink.md keeps the contract it teaches; the examples load."""

from __future__ import annotations

import re
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
import yaml

from connectors import manifest, registry
from connectors.protocol import Change, Contact, Held, Sink
from connectors.testing import CALLS, PATIENCE_S, TEXTS, Pair, SinkContract, phone
from noli.cli.pages import sinks
from noli.domain.channel import Kind

ROOT: Final = Path(__file__).parents[2]
HOWTO: Final = ROOT / "docs" / "howto"


@pytest.fixture(scope="module")
def sqlite() -> Any:  # noqa: ANN401 - a class that only exists in the page
    """The class that the page shows, run from its text."""
    code = re.search(
        r"```python\n(.*?)```", (HOWTO / "write-a-sink.md").read_text("utf-8"), re.DOTALL
    )
    assert code is not None
    module = ModuleType("shown_sink")
    sys.modules[module.__name__] = module
    exec(compile(code[1], "write-a-sink.md", "exec"), vars(module))
    return vars(module)["Sqlite"]


class File:
    """The SQLite file, seen by the dialer."""

    secrets: Sequence[str] = ()
    pairs: Sequence[Pair] = (CALLS, TEXTS)
    contact = staticmethod(phone)

    def __init__(self, kind: Any, path: Path) -> None:  # noqa: ANN401 - as above
        self._kind = kind
        self._path = path

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A sink of the file, or of one in a folder that is not there."""
        path = self._path if reachable else self._path / "nowhere" / "x.db"
        config = {"path": path, "timeout_s": patience_s}
        found: Sink = self._kind(self._kind.Config.model_validate(config), "dialer")
        return found

    async def allow(self, token: str) -> None:
        """An UPDATE of the dialer."""
        change = "UPDATE suppression SET allowed = 1 WHERE token = ? AND channel = ?"
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute(change, [token, CALLS[0]])

    async def held(self, token: str) -> Held | None:
        """The rows, asked by SQL."""
        ask = "SELECT channel, purpose, brand, allowed, version FROM suppression WHERE token = ?"
        with closing(sqlite3.connect(self._path)) as connection:
            rows = connection.execute(ask, [token]).fetchall()
        if not rows:
            return None
        return Held(max(row[4] for row in rows), {tuple(row[:3]): bool(row[3]) for row in rows})

    def poisoned(self, change: Change) -> Change:
        """Half a character, which is no text."""
        return change._replace(contact=Contact(Kind.PHONE, "\ud800"))

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """The dialer holds the file."""
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("COMMIT")


@pytest.mark.parametrize("expectation", SinkContract.expectations())
async def test_the_sink_of_the_howto_keeps_the_contract(
    expectation: str,
    sqlite: Any,  # noqa: ANN401 - as above
    tmp_path: Path,
) -> None:
    """Who copies the page starts from a sink that is right."""
    await SinkContract(File(sqlite, tmp_path / "dialer.db")).check(expectation)


def stand_in(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set every secret that a manifest in the text names."""
    for name in re.findall(r"\{env: (\w+)\}", text):
        monkeypatch.setenv(name, sinks.STAND_INS.get(name, "any-text-will-do"))


def manifests() -> list[Path]:
    """The examples that a reader copies."""
    return sorted((ROOT / "examples" / "apps").glob("*.example"))


@pytest.mark.parametrize("example", manifests(), ids=lambda path: path.name)
def test_the_examples_are_manifests(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied as their README says, each is a valid manifest with a known sink."""
    stand_in(example.read_text("utf-8"), monkeypatch)
    path = Path(shutil.copy(example, tmp_path / example.stem))
    found = manifest.load(path)
    assert registry.open_sink(found, path).traits.batch > 0
    assert found.app == path.stem


def test_every_sink_has_an_example() -> None:
    """Whoever connects one of ours has a manifest to start from."""
    assert set(sinks.examples(ROOT / "examples" / "apps")) == set(registry.BUILT_IN)


def test_the_manifests_of_the_howto_are_manifests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the page shows can be copied."""
    text = (HOWTO / "connect-your-application.md").read_text("utf-8")
    stand_in(text, monkeypatch)
    shown = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    named = [yaml.safe_load(content)["sink"] for content in shown]
    gateways = {
        "kamailio",
        "kannel",
        "postfix",
    }  # docs/howto/refuse-at-the-gateway.md links to theirs
    assert set(named) == set(registry.BUILT_IN) - gateways
    for number, content in enumerate(shown):
        path = tmp_path / f"{number}.yaml"
        path.write_text(content, "utf-8")
        assert registry.open_sink(manifest.load(path), path).traits.batch > 0
