"""Calls of campaigns, told to whoever counts them (SILENT-RATIO)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from noli.wire import campaigns
from schemas.names import CALLS

if TYPE_CHECKING:
    from noli.domain.facts import Fact
    from noli.runtime.part import Part, Record
    from schemas.codec import Codec


class Told(NamedTuple):
    """Where a call was decided on; `token` None: as a person's, before it reaches any contact."""

    token: bytes | None
    decided: int


def tell(fact: Fact, record: Record, told: Told, part: Part, codec: Codec) -> None:
    """Emit a call that was folded for the first time; nothing for a call of no campaign.

    A repeat after a crash says the same place, by which it is known. A person's call is counted
    where it was taken, once; of each contact that it is handed on to, only the hold is due.
    """
    found = campaigns.call_of(fact)
    if found is None:
        return
    key, campaign = found
    datum = campaigns.call_record(
        fact,
        campaign,
        campaigns.Place(record.topic, record.partition, record.offset, record.item or 0),
        token=told.token,
        decided=told.decided,
        counts=told.token is None or fact.party is None,
    )
    part.emit_by_key(CALLS, key, codec.encode(campaigns.CALL, datum))
