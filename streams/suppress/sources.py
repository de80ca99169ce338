"""SOURCE-REVOKED (002): what a partition knows of revoked sources, and the way to their contacts.

A revocation is kept in the state topic under its own key, so it outlives a disk, together with
whether its contacts have all been decided again. Until they have, the sweep starts anew at each
takeover: to decide twice changes nothing.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from noli.domain.facts import SourceRevoked
from noli.runtime.chores import Sweep
from noli.runtime.clock import now_ms
from noli.runtime.logging import get_logger
from noli.runtime.store import LABEL_SIZE
from schemas.codec import pack_lead

if TYPE_CHECKING:
    from noli.domain.facts import Fact
    from noli.domain.policy import Policy
    from noli.domain.state import State
    from noli.runtime.part import Part
    from schemas.codec import Codec

#: Keys of revocations: never as long as a contact token.
_PREFIX: Final = b"revoked|"
_RECORD: Final = "noli.Revocation"
#: Labels remembered; a controller has tens of sources, not thousands.
_LABELS: Final = 4096


@lru_cache(_LABELS)
def label_of(controller: str, source_id: str) -> bytes:
    """8 bytes that stand for a source in the index. A clash only decides a contact once more."""
    text = f"{controller}|{source_id}".encode()
    return hashlib.blake2b(text, digest_size=LABEL_SIZE).digest()


def labels_of(state: State) -> set[bytes]:
    """Labels of every source the state's grants rest on."""
    return {label_of(state.controller, grant.source) for grant in state.grants if grant.source}


class Sources:
    """Revocations of a partition: kept, looked up, swept."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._log = get_logger()

    def opened(self, part: Part, policy: Policy) -> Policy:
        """`policy` with the revocations stored; unfinished ones are swept from the start."""
        for key, value in part.store.starting(_PREFIX):
            datum = self._codec.decode(value)[1]
            policy = policy.with_revoked(datum["controller"], datum["source_id"], datum["accepted"])
            if not datum["done"]:
                part.sweeps.append(Sweep(key[len(_PREFIX) :]))
        return policy

    def revoke(self, fact: Fact, part: Part, policy: Policy) -> Policy:
        """Keep a revocation and begin its sweep. Raises ValueError for any other control fact."""
        source_id = fact.source_id
        if not isinstance(fact.detail, SourceRevoked) or not source_id:
            raise ValueError("control: only a revocation naming its source_id is known")
        # In force at once, also where the intake's clock is ahead of ours.
        accepted = min(fact.accepted, now_ms())
        known = policy.revoked.get((fact.controller, source_id))
        if known is not None and known <= accepted:
            return policy
        label = label_of(fact.controller, source_id)
        self._save(
            _PREFIX + label,
            part,
            {
                "controller": fact.controller,
                "source_id": source_id,
                "accepted": accepted,
                "done": False,
            },
        )
        part.sweeps.append(Sweep(label))
        self._log.info("source.revoked", partition=part.number, source_id=source_id)
        return policy.with_revoked(fact.controller, source_id, accepted)

    def swept(self, label: bytes, part: Part) -> None:
        """Remember that the sweep is done."""
        self._again(_PREFIX + label, part, done=True)

    def restate(self, key: bytes, part: Part) -> None:
        """Write a revocation again under our epoch."""
        self._again(key, part)

    def _again(self, key: bytes, part: Part, **change: bool) -> None:
        value = part.load(key)
        if value is not None:
            self._save(key, part, {**self._codec.decode(value)[1], **change})

    def _save(self, key: bytes, part: Part, datum: dict[str, Any]) -> None:
        record = {**datum, "lead": pack_lead(part.epoch, 0), "labels": b""}
        part.save(key, self._codec.encode(_RECORD, record))
