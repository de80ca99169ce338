"""The step of `streams.suppress` as every engine but ours calls it: bytes in, bytes out.

It is the very object our worker runs, over the state bytes that the engine's own store gives.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from noli.domain.policy import Policy
from noli.runtime.part import Part, Record
from schemas.codec import Codec
from streams.suppress.step import Suppress


class Folded(NamedTuple):
    """What an engine has to store and to send."""

    state: bytes
    decision: bytes


@dataclass
class Borrowed:
    """Stands for a `Part`: gives one state, keeps what the step saves and emits."""

    stored: bytes | None
    epoch: int = 1
    saved: bytes | None = None
    emitted: bytes | None = None
    #: No source is revoked: the policy as it is.
    shared: object = field(default_factory=Policy)

    def load(self, _key: bytes) -> bytes | None:
        """The state the engine had."""
        return self.stored

    def save(self, _key: bytes, value: bytes) -> None:
        """The state the engine shall have."""
        self.saved = value

    def emit(self, _topic: str, _key: bytes | None, value: bytes) -> None:
        """The decision the engine shall send."""
        self.emitted = value

    def decided(self, _lane: str, _accepted: int) -> None:
        """The harness measures delays itself."""


class RealFold:
    """`BENCH_IDS` holds the schema ids as JSON."""

    def __init__(self) -> None:
        self._step = Suppress(Codec(json.loads(os.environ["BENCH_IDS"])), Policy())

    def step(self, key: bytes, stored: bytes | None, intent: bytes) -> Folded | None:
        """Fold one intent; None when the state has seen it."""
        part = Borrowed(stored)
        self._step.process(Record("intents", 0, 0, key, intent, 0), cast("Part", part))
        if part.saved is None or part.emitted is None:
            return None
        return Folded(part.saved, part.emitted)
