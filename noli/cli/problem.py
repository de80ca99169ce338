"""What a command says when it cannot go on: the fact, and what to do about it."""

from __future__ import annotations


class ProblemError(Exception):
    """Ends a command with exit code 1; `main` prints it without a traceback."""

    def __init__(self, fact: str, remedy: str = "", detail: str = "") -> None:
        """`fact`: one sentence; `remedy`: what the reader can do; `detail`: e.g. a log's tail."""
        super().__init__(fact)
        self.fact = fact
        self.remedy = remedy
        self.detail = detail
