"""What a process tells of itself when it begins."""

from __future__ import annotations

import platform
from importlib import metadata

from confluent_kafka import libversion

from noli.runtime import violations
from noli.runtime.metrics.process import BUILD_INFO
from noli.runtime.settings import Settings

#: Of a checkout that is not installed.
_UNKNOWN = "unknown"


def announce(settings: Settings) -> None:
    """Show the version of what runs, and what processes of this name saw before."""
    try:
        version = metadata.version("noli")
    except metadata.PackageNotFoundError:
        version = _UNKNOWN
    BUILD_INFO.labels(version, platform.python_version(), libversion()[0]).set(1)
    violations.resume(settings)
