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


def read(folder: Path, *, required: bool) -> list[App]:
    """The applications of `folder`, by file name; none where a folder not required is missing.

    Raises `ProblemError` naming file and field of the first manifest that cannot be used.
    """
    if not folder.is_dir():
        if not required:
            return []
        raise ProblemError(
            f"--apps {folder}: no such folder", "name a folder of manifests (*.yaml)"
        )
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"})
    apps: dict[str, Path] = {}
    for path in paths:
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
