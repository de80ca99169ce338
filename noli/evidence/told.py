"""A fact in words, without anything that names a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from noli.domain import channel, facts, wording
from noli.domain.facts import EVERY_BRAND, Fact
from noli.domain.wording import Language, Words

TYPE: Final[Mapping[type, Words]] = {
    facts.ConsentGiven: Words("consent given", "consenso dato"),
    facts.ConsentConfirmed: Words("consent confirmed", "consenso confermato"),
    facts.ConsentWithdrawn: Words("consent withdrawn", "consenso revocato"),
    facts.ObjectionRaised: Words("objection", "opposizione"),
    facts.SoftOptInRecorded: Words("sale (soft opt-in)", "vendita (soft opt-in)"),
    facts.InterestRecorded: Words("legitimate interest", "legittimo interesse"),
    facts.ContactCollected: Words("contact collected", "recapito raccolto"),
    facts.DirectoryStatus: Words("public directory", "elenco pubblico"),
    facts.SourceRevoked: Words("source revoked", "fonte revocata"),
    facts.RegisterListed: Words("listed on the register", "iscritto al registro"),
    facts.RegisterDelisted: Words("taken off the register", "cancellato dal registro"),
    facts.RegisterVerified: Words("register checked", "registro verificato"),
    facts.ContractStarted: Words("contract started", "contratto iniziato"),
    facts.ContractEnded: Words("contract ended", "contratto cessato"),
    facts.CallSilent: Words("silent call", "chiamata muta"),
    facts.CallAttended: Words("attended call", "chiamata presidiata"),
    facts.ErasureRequested: Words("erasure", "cancellazione dei dati"),
    facts.PartyLinked: Words("linked to a person", "collegato a una persona"),
    facts.PartyUnlinked: Words("unlinked from a person", "scollegato da una persona"),
    facts.ProfilingPerformed: Words("profiling performed", "profilazione eseguita"),
    facts.Quarantined: Words("unreadable record, quarantined", "record illeggibile, in quarantena"),
}

_EVERYTHING: Final = Words("everything", "tutto")
_EVERY_CHANNEL: Final = Words("by every channel", "via ogni canale")
_BY: Final = Words("by", "via")
_BRANDS: Final = Words("brands", "marchi")
_PERSON: Final = Words("said for all contacts of the person", "per tutti i recapiti della persona")
_NOT: Final = Words("not", "non")
_FOR: Final = Words("for", "per")
#: Booleans of facts, in words.
_FLAGS: Final[Mapping[str, Words]] = {
    "preticked": Words("pre-ticked", "casella preselezionata"),
    "required_for_contract": Words("required for the contract", "condizione del contratto"),
    "double_opt_in": Words("double opt-in", "doppio opt-in"),
    "informed": Words("informed", "informativa resa"),
    "objection_offered": Words("objection offered", "opposizione offerta"),
    "listed": Words("listed", "presente in elenco"),
}
#: Of these a "no" is as telling as a "yes".
_BOTH_WAYS: Final = frozenset({"informed", "objection_offered", "listed"})
#: Words and ids of the vocabulary, shown as recorded.
_AS_RECORDED: Final[Mapping[str, Words]] = {
    "via": Words("via", "tramite"),
    "consent_id": Words("consent", "consenso"),
    "box_purposes": Words("box for", "casella per"),
    "sale_id": Words("sale", "vendita"),
    "categories": Words("categories", "categorie"),
    "source_kind": Words("source kind", "tipo di fonte"),
    "proof": Words("proof", "prova"),
    "register": Words("register", "registro"),
    "contract_id": Words("contract", "contratto"),
    "campaign": Words("campaign", "campagna"),
    "basis": Words("basis", "base"),
}


def title(fact: Fact, language: Language) -> str:
    """What kind of fact it is."""
    return TYPE[type(fact.detail)].said(language)


def details(fact: Fact, language: Language) -> str:
    """What it says, on one line: scope, flags, references. Empty where the title says it all."""
    parts = [*_scope(fact, language), *_fields(fact, language)]
    if fact.brands and EVERY_BRAND not in fact.brands:
        parts.append(f"{_BRANDS.said(language)} {', '.join(fact.brands)}")
    if fact.party is not None:
        parts.append(_PERSON.said(language))
    return "; ".join(parts)


def named(symbols: Iterable[str], words: Mapping[Any, Words], language: Language) -> str:
    """Channels or purposes in words."""
    return ", ".join(words[symbol].said(language) for symbol in symbols)


def _scope(fact: Fact, language: Language) -> list[str]:
    """Channels and purposes."""
    detail = fact.detail
    channels: int | None = getattr(detail, "channels", None)
    if channels is None:
        return []
    purposes = getattr(detail, "purposes", None)
    if (channels, purposes) == (channel.ALL_CHANNELS, channel.ALL_PURPOSES):
        return [_EVERYTHING.said(language)]
    said = _purposes(detail, purposes, language)
    every = channels & channel.KNOWN_CHANNELS == channel.KNOWN_CHANNELS
    how = named(channel.channels_of(channels), wording.CHANNEL, language)
    means = _EVERY_CHANNEL.said(language) if every else f"{_BY.said(language)} {how}"
    return [" ".join(part for part in (said, means) if part)]


def _purposes(detail: facts.Detail, purposes: int | None, language: Language) -> str:
    """In words, as far as they are of the vocabulary."""
    if purposes is not None:
        return named(channel.purposes_of(purposes), wording.PURPOSE, language)
    if isinstance(detail, facts.ConsentGiven):
        return wording.PURPOSE[detail.purpose].said(language)
    return ""


def _fields(fact: Fact, language: Language) -> list[str]:
    """The other fields of the detail; free text is left out."""
    parts = []
    reason = getattr(fact.detail, "reason", None)
    if isinstance(fact.detail, facts.InterestRecorded | facts.Quarantined):
        parts.append(str(reason))
    if isinstance(fact.detail, facts.ProfilingPerformed) and fact.detail.purpose:
        parts.append(f"{_FOR.said(language)} {fact.detail.purpose}")  # PROFILING-TRACED
    for name, words in _AS_RECORDED.items():
        value = getattr(fact.detail, name, None)
        if value:
            text = ", ".join(value) if isinstance(value, tuple) else value
            parts.append(f"{words.said(language)} {text}")
    for name, words in _FLAGS.items():
        flag = getattr(fact.detail, name, None)
        if flag:
            parts.append(words.said(language))
        elif flag is False and name in _BOTH_WAYS:
            parts.append(f"{_NOT.said(language)} {words.said(language)}")
    return parts
