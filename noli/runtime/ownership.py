"""Refuses to start where a foreign package has taken one of our import names.

`schemas`, `streams` and `connectors` are names others use too: installing such a package beside
ours overwrites our `__init__.py` without a word, and uninstalling it deletes the file
(docs/adr/0002).
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from importlib import metadata, util
from pathlib import Path
from typing import Final

DISTRIBUTION: Final = "noli"
PACKAGES: Final = ("schemas", "noli", "streams", "connectors")


class IntruderError(Exception):
    """One of our import names belongs to somebody else in this environment."""

    def __init__(self, package: str, finding: str) -> None:
        owners = set(metadata.packages_distributions().get(package, ())) - {DISTRIBUTION}
        intruder = f" (it belongs to: {', '.join(sorted(owners))})" if owners else ""
        super().__init__(
            f"the package {package!r} is not Noli's: {finding}{intruder}. Noli is an application: "
            "run its image, or reinstall it in an environment of its own"
        )


def refuse_intruders() -> None:
    """Raise `IntruderError` unless all four packages are ours: one root, untouched `__init__.py`.

    Costs about a millisecond: only the four files are hashed, and an intruder's name is looked up
    only once there is one.
    """
    root = Path(__file__).parents[2]
    released = _released_hashes()
    for package in PACKAGES:
        spec = util.find_spec(package)
        if spec is None or spec.origin is None:
            raise IntruderError(package, "its __init__.py is gone")
        init = Path(spec.origin)
        if init.parents[1] != root:
            raise IntruderError(package, f"it is imported from {init.parent}, not from {root}")
        if released.get(package, (digest := _record_hash(init))) != digest:
            raise IntruderError(package, f"{init} was overwritten after Noli was installed")


def _released_hashes() -> dict[str, str]:
    """Hash of each package's `__init__.py` as installed; none where the install is editable."""
    try:
        files = metadata.distribution(DISTRIBUTION).files or ()
    except metadata.PackageNotFoundError:
        return {}
    wanted = {f"{package}/__init__.py": package for package in PACKAGES}
    return {wanted[str(f)]: f.hash.value for f in files if f.hash and str(f) in wanted}


def _record_hash(path: Path) -> str:
    """SHA-256 of a file as a wheel's RECORD writes it: urlsafe base64 without padding."""
    return urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
