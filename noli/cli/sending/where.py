"""The intake a command posts to: named by option or environment, else the local stack's."""

from __future__ import annotations

from pathlib import Path

from noli.cli.problem import ProblemError
from noli.cli.stack import endpoints


def intake(data: Path, url: str | None, key: str | None) -> tuple[str, str]:
    """URL and API key. Raises `ProblemError` where one is neither given nor on disk."""
    local = endpoints.read(data)
    if url is None and local is None:
        raise ProblemError(
            "no intake is named, and no stack runs here",
            "give --intake and --key (or NOLI_INTAKE, NOLI_API_KEY), or start one: `noli up`",
        )
    if key is None and (local is None or url is not None):
        raise ProblemError("no API key", "give --key or NOLI_API_KEY; `noli keys add` makes one")
    return (url or local.intake).rstrip("/"), key or local.api_key  # type: ignore[union-attr]
