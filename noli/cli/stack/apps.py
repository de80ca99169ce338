"""The applications of a stack: every manifest of a folder, checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from connectors import manifest, registry
from connectors.manifest import Manifest, ManifestError
from noli.cli.problem import ProblemError

_REMEDY: Final = "correct the manifest; nothing was started"


class App(NamedTuple):
    """An application and its manifest."""

    name: str
    path: Path


def stamps(folder: Path) -> dict[Path, int]:
    """The manifests of a folder, and when each was last written, ns."""
    return {path: path.stat().st_mtime_ns for path in _paths(folder) if path.exists()}


def _paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})


def read(folder: Path) -> list[App]:
    """The applications of `folder`, by file name.

    Raises `ProblemError` naming file and field of the first manifest that cannot be used.
    """
    if not folder.is_dir():
        raise ProblemError(
            f"--apps {folder}: no such folder", "name a folder of manifests (*.yaml)"
        )
    apps: dict[str, Path] = {}
    for path in _paths(folder):
        name = _checked(path).app
        if name in apps:
            raise ProblemError(
                f"{path}: app: {name!r} is also the application of {apps[name]}",
                "give each application a name of its own",
            )
        apps[name] = path.resolve()
    return [App(name, path) for name, path in apps.items()]


def _checked(path: Path) -> Manifest:
    try:
        found = manifest.load(path)
        registry.configured(found, path)
    except ManifestError as error:
        raise ProblemError(str(error), _REMEDY) from error
    return found
