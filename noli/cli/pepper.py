"""The pepper a command computes tokens with: the environment's, else the local stack's."""

from __future__ import annotations

from pathlib import Path

from noli.cli.problem import ProblemError
from noli.cli.stack import credentials
from noli.domain.token import Pepper
from noli.runtime import pepper
from noli.runtime.settings import Settings


def found(data: Path, settings: Settings) -> Pepper:
    """The pepper; never a new one: every contact would be a stranger. Raises `ProblemError`."""
    if not settings.pepper.get_secret_value() and (data / credentials.PEPPER_FILE).exists():
        return Pepper(settings.pepper_version, bytes.fromhex(credentials.pepper(data)))
    try:
        return pepper.pepper(settings)
    except ValueError as error:
        raise ProblemError(str(error), "name the stack's directory (--data) or set it") from None
