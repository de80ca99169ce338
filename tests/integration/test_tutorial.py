"""docs/tutorial/first-opt-out.md, done as it says: every command runs, the application obeys."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import dropwhile, groupby
from pathlib import Path
from typing import Final

import pytest

from noli.cli.stack import ports
from tests.support.blackbox import until

PAGE: Final = Path(__file__).parents[2] / "docs" / "tutorial" / "first-opt-out.md"
PORT: Final = "9000"
MAY: Final = "may use ['sms for marketing', 'operator_call for marketing']"
#: A later consent lifts an objection for its own scope only.
AGAIN: Final = "may use ['sms for marketing']"
MAY_NOT: Final = "may use nothing"
SECONDS: Final = 30.0
#: The first command of the question in section 3, and the answer.
ASK: Final = "noli_url="
ALLOWED: Final = '"allowed":true'


class Tutorial:
    """The page's blocks, in a directory of their own, on a port that is free."""

    def __init__(self, folder: Path) -> None:
        text = PAGE.read_text("utf-8")
        self.folder = folder
        self.printed = folder / "printed"
        #: "3. A consent" → the commands of that section.
        self.sections = {
            title: _commands(body)
            for title, body in re.findall(
                r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
            )
        }
        port = str(ports.choose(["application"])["application"])
        for name, language in {"application.py": "python", "my-apps/shop.yaml": "yaml"}.items():
            (block,) = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(block.replace(PORT, port), "utf-8")

    def follow(self, number: int, since: str = "") -> str:
        """Run every command of a section, from the one that begins so; what they printed."""
        (commands,) = (c for title, c in self.sections.items() if title.startswith(f"{number}."))
        commands = list(dropwhile(lambda command: not command.startswith(since), commands))
        assert commands, "a section to follow has commands"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
            cwd=self.folder, capture_output=True, text=True, check=False, timeout=180,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )  # fmt: skip
        assert done.returncode == 0, f"section {number}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def expect(self, *lines: str) -> None:
        """Wait until the application has printed these lines and no others."""
        until(lambda: len(self.lines()) >= len(lines), f"the application prints {lines}", SECONDS)
        assert self.lines() == list(lines)

    def lines(self) -> list[str]:
        """What the application has printed; what it was told twice in a row, once.

        A worker that takes over may say again what the last one said (docs/adr/0016).
        """
        return [line for line, _ in groupby(self.printed.read_text("utf-8").splitlines())]


def _commands(body: str) -> list[str]:
    """Commands of the console blocks; what follows a `$ ` line without one belongs to it."""
    blocks = re.findall(r"^```console\n(.*?)^```", body, re.MULTILINE | re.DOTALL)
    return [
        command for block in blocks for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    ]


@pytest.fixture
def tutorial(tmp_path: Path) -> Iterator[Tutorial]:
    """The page, with its application running."""
    page = Tutorial(tmp_path)
    with (
        page.printed.open("w") as out,
        subprocess.Popen([sys.executable, tmp_path / "application.py"], stdout=out) as process,
    ):
        try:
            yield page
        finally:
            process.terminate()


@pytest.mark.rule("OBJECT")
@pytest.mark.timeout(400)
@pytest.mark.skipif(not shutil.which("curl"), reason="the tutorial uses curl, which is not here")
def test_the_tutorial_does_what_it_says(tutorial: Tutorial) -> None:
    """Consent, one-click, the same again, a later consent, a kill: each with the effect told."""
    tutorial.follow(1)
    tutorial.follow(2)
    try:
        tutorial.follow(3)
        tutorial.expect(MAY)
        # A reader asks a breath after the consent, not in the same millisecond.
        until(lambda: ALLOWED in tutorial.follow(3, ASK).replace(" ", ""), ALLOWED, SECONDS)
        tutorial.follow(4)
        tutorial.expect(MAY, MAY_NOT)
        tutorial.follow(5)
        tutorial.expect(MAY, MAY_NOT, AGAIN)
        tutorial.follow(6)
        tutorial.expect(MAY, MAY_NOT, AGAIN, MAY_NOT)
    finally:
        assert "stopped" in tutorial.follow(7)
