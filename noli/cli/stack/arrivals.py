"""Applications that come and go while a stack runs: its folder of manifests, looked at again."""

from __future__ import annotations

from pathlib import Path

from noli.cli.problem import ProblemError
from noli.cli.stack import apps
from noli.cli.stack.apps import App


class Folder:
    """What stands in the folder; `look` says when it changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamps = apps.stamps(folder)

    def look(self) -> tuple[list[App], set[str]] | None:
        """The applications and the names of those whose manifest is new; None: nothing changed.

        Raises `ProblemError` naming file and field, once for each change: what runs goes on.
        """
        if not self._folder.is_dir() or (now := apps.stamps(self._folder)) == self._stamps:
            return None
        before, self._stamps = self._stamps, now
        written = {path.resolve() for path in now if now[path] != before.get(path)}
        found = apps.read(self._folder)
        return found, {app.name for app in found if app.path in written}


def words(problem: ProblemError) -> str:
    """A problem on one line."""
    return f"{problem.fact}; what runs goes on"
