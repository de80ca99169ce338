"""`noli.Intent`: one accepted fact."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from noli.domain import channel, details, facts
from noli.domain.channel import Kind, Purpose
from noli.domain.contact import Contact
from noli.domain.facts import EVERY_BRAND, Fact
from schemas.codec import Codec, UnreadableError

Datum = dict[str, Any]
#: The record's name.
INTENT: Final = "noli.Intent"
_UNKNOWN: Final = "unknown"
_FACT_ID_BYTES: Final = 16


def fact_to_intent(fact: Fact) -> Datum:
    """The record of a fact."""
    contact, detail = fact.contact, fact.detail
    named = contact and {"kind": contact.kind, "value": contact.value}
    return {
        "fact_id": fact.fact_id,
        "source": fact.source,
        "id": fact.id,
        "time": fact.time,
        "accepted": fact.accepted,
        "controller": fact.controller,
        # Named, or the encoder tries every branch of the union: a fifth of its time.
        "contact": ("noli.Contact", named) if named else None,
        "party": fact.party,
        "brands": fact.brands,
        "source_id": fact.source_id,
        "evidence_ref": fact.evidence_ref,
        "event": (f"noli.{type(detail).__name__}", _written(detail)),
    }


def intent_to_fact(record: Mapping[str, Any]) -> Fact:
    """The fact of a record. Raises ValueError or KeyError for what cannot be read."""
    contact = record["contact"]
    name, event = record["event"]
    return Fact(
        record["fact_id"],
        record["source"],
        record["id"],
        record["time"],
        record["accepted"],
        record["controller"],
        # An unknown kind raises: nobody can say what its channels are.
        Contact(Kind(contact["kind"]), contact["value"]) if contact else None,
        record["party"],
        tuple(record["brands"]) or (EVERY_BRAND,),
        record["source_id"],
        record["evidence_ref"],
        _READ[name](event),
    )


#: What reading a record may raise: whoever catches these quarantines the record.
UNREADABLE: Final = (UnreadableError, ValueError, KeyError)


def read_intent(codec: Codec, value: bytes | None) -> Fact:
    """The fact in a record's value. Raises one of `UNREADABLE`."""
    name, datum = codec.decode(value)
    if name != INTENT:
        raise UnreadableError(f"{name} is not an intent")
    return intent_to_fact(datum)


def read_contact_intent(codec: Codec, value: bytes | None) -> Fact:
    """The fact under a contact's key. Raises one of `UNREADABLE`.

    One about nobody is unreadable too, but for a denial: whoever it was, the key says enough.
    """
    fact = read_intent(codec, value)
    if fact.contact is None and not fact.denies:
        raise UnreadableError("an intent about no contact under a contact's key")
    return fact


def unreadable_fact(place: str, at: int, error: Exception) -> Fact:
    """What is folded in place of the record at `place` (`topic:partition:offset`): denies all.

    The same record gives the same fact, whoever reads it; `at` is the log's time, ms.
    """
    fact_id = hashlib.blake2b(place.encode(), digest_size=_FACT_ID_BYTES).digest()
    return quarantine_fact(fact_id, at, unreadable_reason(error))


def unreadable_reason(error: Exception) -> str:
    """Why, in one line."""
    return f"{type(error).__name__}: {error}"


def quarantine_fact(fact_id: bytes, at: int, reason: str) -> Fact:
    """Denies everything to whoever an unreadable record was about; `at` in ms."""
    return Fact(
        fact_id,
        "",
        "",
        at,
        at,
        "",
        None,
        None,
        (EVERY_BRAND,),
        None,
        None,
        facts.Quarantined(reason),
    )


def _written(detail: facts.Detail) -> Datum:
    written = {name: getattr(detail, name) for name in detail.__slots__}
    if "channels" in written:
        bits = written["channels"]
        everything = type(detail) in facts.DENYING and bits == channel.ALL_CHANNELS
        written["channels"] = () if everything else channel.channels_of(bits)
    if "purposes" in written:
        bits = written["purposes"]
        default = _DEFAULT_PURPOSES.get(type(detail), channel.ALL_PURPOSES)
        written["purposes"] = () if bits == default else channel.purposes_of(bits)
    return written


_DEFAULT_PURPOSES: Final[Mapping[type, int]] = {
    facts.ObjectionRaised: details.OBJECTED_BY_DEFAULT,
    # A withdrawal's empty list and the code of "all" are the same.
    facts.ConsentWithdrawn: channel.ALL_PURPOSES,
}


def _denied_channels(symbols: Sequence[str]) -> int:
    if not symbols or _UNKNOWN in symbols:
        return channel.ALL_CHANNELS
    return channel.channel_set(symbols)


def _denied_purposes(symbols: Sequence[str], default: int) -> int:
    if _UNKNOWN in symbols:
        return channel.ALL_PURPOSES
    return channel.purpose_set(symbols) if symbols else default


def _granted(symbols: Sequence[str]) -> int:
    return sum({channel.CHANNEL_BIT[s] for s in symbols if s != _UNKNOWN})


def _consent(e: Datum) -> facts.ConsentGiven:
    known = e["purpose"] != _UNKNOWN
    return facts.ConsentGiven(
        Purpose(e["purpose"]) if known else Purpose.MARKETING,
        _granted(e["channels"]) if known else 0,  # of an unknown purpose: for nothing
        e["consent_id"],
        tuple(e["box_purposes"]),
        e["preticked"],
        e["required_for_contract"],
        e["double_opt_in"],
    )


def _objection(e: Datum) -> facts.ObjectionRaised:
    return facts.ObjectionRaised(
        _denied_purposes(e["purposes"], details.OBJECTED_BY_DEFAULT),
        _denied_channels(e["channels"]),
        facts.Via(e["via"]),
    )


def _withdrawal(e: Datum) -> facts.ConsentWithdrawn:
    return facts.ConsentWithdrawn(
        _denied_purposes(e["purposes"], channel.ALL_PURPOSES), _denied_channels(e["channels"])
    )


def _soft_opt_in(e: Datum) -> facts.SoftOptInRecorded:
    return facts.SoftOptInRecorded(
        e["sale_id"], tuple(e["categories"]), e["informed"], e["objection_offered"]
    )


def _interest(e: Datum) -> facts.InterestRecorded:
    return facts.InterestRecorded(
        facts.InterestReason(e["reason"]), _granted(e["channels"]), e["informed"]
    )


def _collected(e: Datum) -> facts.ContactCollected:
    return facts.ContactCollected(
        facts.SourceKind(e["source_kind"]), e["proof"], facts.SubjectType(e["subject_type"])
    )


def _plain(make: Callable[..., facts.Detail]) -> Callable[[Datum], facts.Detail]:
    return lambda event: make(**event)


def _registered(
    make: Callable[[facts.Register], facts.Detail],
) -> Callable[[Datum], facts.Detail]:
    return lambda event: make(facts.Register(event["register"]))


_READ: Final[Mapping[str, Callable[[Datum], facts.Detail]]] = {
    "noli.ConsentGiven": _consent,
    "noli.ConsentConfirmed": _plain(facts.ConsentConfirmed),
    "noli.ConsentWithdrawn": _withdrawal,
    "noli.ObjectionRaised": _objection,
    "noli.SoftOptInRecorded": _soft_opt_in,
    "noli.InterestRecorded": _interest,
    "noli.ContactCollected": _collected,
    "noli.DirectoryStatus": _plain(facts.DirectoryStatus),
    "noli.SourceRevoked": _plain(facts.SourceRevoked),
    "noli.RegisterListed": _registered(facts.RegisterListed),
    "noli.RegisterDelisted": _registered(facts.RegisterDelisted),
    "noli.RegisterVerified": _registered(facts.RegisterVerified),
    "noli.ContractStarted": _plain(facts.ContractStarted),
    "noli.ContractEnded": _plain(facts.ContractEnded),
    "noli.CallSilent": _plain(facts.CallSilent),
    "noli.CallAttended": _plain(facts.CallAttended),
    "noli.ErasureRequested": _plain(facts.ErasureRequested),
    "noli.PartyLinked": _plain(facts.PartyLinked),
    "noli.PartyUnlinked": _plain(facts.PartyUnlinked),
    "noli.ProfilingPerformed": _plain(facts.ProfilingPerformed),
    "noli.Quarantined": _plain(facts.Quarantined),
}
