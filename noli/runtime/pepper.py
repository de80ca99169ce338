"""The pepper of the settings, or a clear word about what is wrong with it."""

from __future__ import annotations

from noli.domain.token import Pepper
from noli.runtime.settings import Settings


def pepper(settings: Settings) -> Pepper:
    """The secret behind contact tokens and links. Raises ValueError naming the variable."""
    text = settings.pepper.get_secret_value()
    try:
        return Pepper(settings.pepper_version, bytes.fromhex(text))
    except ValueError:
        # Not chained: the library's message may quote the secret.
        problem = "is not set" if not text else "is not a secret of 64 hexadecimal digits"
        remedy = "make one with `openssl rand -hex 32`, the same for every process, and keep it"
        raise ValueError(f"NOLI_PEPPER {problem}; {remedy}") from None
