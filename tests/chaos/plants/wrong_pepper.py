"""The intake was started with the pepper of another deployment."""

from __future__ import annotations

import os


def plant() -> None:
    """Everybody has another token here."""
    os.environ["NOLI_PEPPER"] = "0badc0de" * 8
