"""The part of an event that its type adds: one reader per type, all refusals of events.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from noli.domain import channel, facts, reading, times
from noli.domain.channel import Purpose
from noli.domain.reading import Data, Refused

#: OBJECT: what an objection covers unless it says more: not `relationship`.
OBJECTED_BY_DEFAULT: Final = sum(
    channel.PURPOSE_BIT[p]
    for p in (Purpose.MARKETING, Purpose.PROFILING, Purpose.THIRD_PARTY_DISCLOSURE)
)
_VIAS: Final = frozenset(facts.Via)
_INTERESTS: Final = frozenset(facts.InterestReason)
_SOURCE_KINDS: Final = frozenset(facts.SourceKind)
_SUBJECTS: Final = frozenset(facts.SubjectType)


def evidence(data: Data) -> Mapping[str, Any]:
    """The `evidence` object; absent is empty."""
    found = data.get("evidence")
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise Refused("data.evidence", 'give an object, e.g. {"ref": "form-7"}')
    return found


def _consent(data: Data) -> facts.ConsentGiven:
    purpose = data.get("purpose")
    if "purposes" in data or not isinstance(purpose, str) or purpose not in channel.PURPOSE_BIT:
        raise Refused(
            "data.purpose",
            f"one consent covers exactly one purpose, out of: {' '.join(channel.PURPOSE_BIT)}",
        )
    form = evidence(data)
    return facts.ConsentGiven(
        purpose=Purpose(purpose),
        channels=reading.granted_channels(data),
        consent_id=reading.optional_text(data, "consent_id"),
        box_purposes=reading.texts(form, "box_purposes", "data.evidence."),
        preticked=reading.flag(form, "preticked", "data.evidence."),
        required_for_contract=reading.flag(form, "required_for_contract", "data.evidence."),
        double_opt_in=reading.flag(data, "double_opt_in"),
    )


def _channels(data: Data) -> int:
    named = reading.denied(data, "channels", channel.CHANNEL_BIT)
    return channel.channel_set(named) if named else channel.ALL_CHANNELS


def _purposes(data: Data, default: int) -> int:
    named = reading.denied(data, "purposes", channel.PURPOSE_BIT)
    if named is None:
        return channel.ALL_PURPOSES
    return channel.purpose_set(named) if named else default


def _withdrawn(data: Data) -> facts.ConsentWithdrawn:
    return facts.ConsentWithdrawn(_purposes(data, channel.ALL_PURPOSES), _channels(data))


def _objection(data: Data) -> facts.ObjectionRaised:
    via = data.get("via")
    return facts.ObjectionRaised(
        _purposes(data, OBJECTED_BY_DEFAULT),
        _channels(data),
        facts.Via(via) if isinstance(via, str) and via in _VIAS else facts.Via.UNKNOWN,
    )


def _soft_opt_in(data: Data) -> facts.SoftOptInRecorded:
    return facts.SoftOptInRecorded(
        reading.optional_text(data, "sale_id"),
        reading.texts(data, "categories"),
        reading.flag(data, "informed"),
        reading.flag(data, "objection_offered"),
    )


def _interest(data: Data) -> facts.InterestRecorded:
    reason = reading.text(data, "reason")
    return facts.InterestRecorded(
        facts.InterestReason(reason) if reason in _INTERESTS else facts.InterestReason.UNKNOWN,
        reading.granted_channels(data),
        reading.flag(data, "informed"),
    )


def _collected(data: Data) -> facts.ContactCollected:
    reading.text(data, "source_id")
    kind = reading.text(data, "source_kind")
    subject = reading.optional_text(data, "subject_type")
    return facts.ContactCollected(
        facts.SourceKind(kind) if kind in _SOURCE_KINDS else facts.SourceKind.UNKNOWN,
        reading.optional_text(data, "proof"),
        facts.SubjectType(subject) if subject in _SUBJECTS else facts.SubjectType.UNKNOWN,
    )


def _revoked(data: Data) -> facts.SourceRevoked:
    reading.text(data, "source_id")
    return facts.SourceRevoked(reading.optional_text(data, "reason"))


def _register(data: Data) -> facts.Register:
    named = data.get("register")
    if named not in (facts.Register.PHONE, facts.Register.POST):
        raise Refused("data.register", "use phone or post")
    return facts.Register(named)


def _listed(data: Data) -> facts.RegisterListed:
    try:
        return facts.RegisterListed(_register(data))
    except Refused:
        return facts.RegisterListed(facts.Register.UNKNOWN)


def _whole(data: Data, name: str) -> int | None:
    found = data.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _call(
    make: Callable[[str | None, int | None, int | None, bool | None], facts.Detail],
) -> Callable[[Data], facts.Detail]:
    def read(data: Data) -> facts.Detail:
        campaign, noise, answered = (
            data.get("campaign"),
            data.get("comfort_noise"),
            data.get("answered_at"),
        )
        try:
            answered_at = times.parse(answered) if isinstance(answered, str) else None
        except ValueError:
            answered_at = None  # a silent call bars calls whatever else could not be read of it
        return make(
            campaign if isinstance(campaign, str) and campaign else None,
            answered_at,
            _whole(data, "cut_after_ms"),
            noise if isinstance(noise, bool) else None,
        )

    return read


def _profiling(data: Data) -> facts.ProfilingPerformed:
    return facts.ProfilingPerformed(
        reading.optional_text(data, "purpose"),
        reading.optional_text(data, "basis"),
        reading.optional_text(data, "description"),
    )


READERS: Final[Mapping[str, Callable[[Data], facts.Detail]]] = {
    "noli.consent.given.v1": _consent,
    "noli.consent.confirmed.v1": lambda d: facts.ConsentConfirmed(reading.text(d, "consent_id")),
    "noli.consent.withdrawn.v1": _withdrawn,
    "noli.objection.raised.v1": _objection,
    "noli.soft_opt_in.recorded.v1": _soft_opt_in,
    "noli.interest.recorded.v1": _interest,
    "noli.contact.collected.v1": _collected,
    "noli.directory.status.v1": lambda d: facts.DirectoryStatus(reading.stated_flag(d, "listed")),
    "noli.source.revoked.v1": _revoked,
    "noli.register.listed.v1": _listed,
    "noli.register.delisted.v1": lambda d: facts.RegisterDelisted(_register(d)),
    "noli.register.verified.v1": lambda d: facts.RegisterVerified(_register(d)),
    "noli.contract.started.v1": lambda d: facts.ContractStarted(reading.text(d, "contract_id")),
    "noli.contract.ended.v1": lambda d: facts.ContractEnded(reading.text(d, "contract_id")),
    "noli.call.silent.v1": _call(facts.CallSilent),
    "noli.call.attended.v1": _call(facts.CallAttended),
    "noli.erasure.requested.v1": lambda _: facts.ErasureRequested(),
    "noli.party.linked.v1": lambda _: facts.PartyLinked(),
    "noli.party.unlinked.v1": lambda _: facts.PartyUnlinked(),
    "noli.profiling.performed.v1": _profiling,
}

#: Types that can only deny: never refused for a missing detail.
DENYING_TYPES: Final = frozenset(
    {
        "noli.objection.raised.v1",
        "noli.consent.withdrawn.v1",
        "noli.erasure.requested.v1",
        "noli.call.silent.v1",
        "noli.register.listed.v1",
    }
)
