"""The closed vocabularies in words, English and Italian: reasons, bases, channels, purposes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from noli.domain.channel import Channel, Kind, Purpose
from noli.domain.reason import Reason


class Language(StrEnum):
    """What `noli explain` speaks."""

    ENGLISH = "en"
    ITALIAN = "it"


class Words(NamedTuple):
    """The same in both languages."""

    en: str
    it: str

    def said(self, language: Language) -> str:
        """In one of them."""
        return self.it if language == Language.ITALIAN else self.en


REASON: Final[Mapping[Reason, Words]] = {
    Reason.NO_BASIS: Words("Nothing recorded allows this.", "Nulla di registrato lo consente."),
    Reason.SOURCE_UNLAWFUL: Words(
        "The contact, or the basis, comes from a source that is unlawful or was revoked.",
        "Il recapito, o la base, proviene da una fonte illecita o revocata.",
    ),
    Reason.CONSENT_INVALID: Words(
        "A consent is recorded but void: not free, or never confirmed in time.",
        "Un consenso è registrato ma nullo: non libero, o mai confermato in tempo.",
    ),
    Reason.CONSENT_UNPROVEN: Words(
        "A consent is recorded without evidence.", "Un consenso è registrato senza prova."
    ),
    Reason.CONSENT_UNCONFIRMED: Words(
        "A double opt-in has not been confirmed.", "Un doppio opt-in non è stato confermato."
    ),
    Reason.WITHDRAWN: Words(
        "The person withdrew their consent.", "La persona ha revocato il consenso."
    ),
    Reason.OBJECTED: Words("The person objected.", "La persona si è opposta."),
    Reason.SOFT_OPT_IN_CHANNEL: Words(
        "A sale allows marketing by e-mail and post only, not on this channel.",
        "Una vendita consente il marketing solo per e-mail e posta, non su questo canale.",
    ),
    Reason.SOFT_OPT_IN_INVALID: Words(
        "A sale is recorded, but the person was not informed, could not object, or the sale or its"
        " category is missing.",
        "Una vendita è registrata, ma la persona non fu informata, non poté opporsi, o mancano la"
        " vendita o la categoria.",
    ),
    Reason.PRODUCT_REQUIRED: Words(
        "Allowed only for products like those sold: name the category.",
        "Consentito solo per prodotti analoghi a quelli venduti: indicare la categoria.",
    ),
    Reason.PRODUCT_NOT_ANALOGOUS: Words(
        "The product is not of a category that was sold.",
        "Il prodotto non è di una categoria venduta.",
    ),
    Reason.INTEREST_INVALID: Words(
        "A legitimate interest is recorded without reason, evidence or information given.",
        "Un legittimo interesse è registrato senza motivo, prova o informativa.",
    ),
    Reason.INTEREST_CHANNEL: Words(
        "A legitimate interest allows no marketing on this channel.",
        "Il legittimo interesse non consente marketing su questo canale.",
    ),
    Reason.UNLISTED: Words(
        "The number is unlisted, and no proven consent allows calling it.",
        "Il numero è riservato, e nessun consenso provato consente di chiamarlo.",
    ),
    Reason.REGISTERED: Words(
        "The contact is, or was since, on the register of objections (RPO).",
        "Il recapito è, o è stato poi, iscritto al Registro delle opposizioni (RPO).",
    ),
    Reason.REGISTER_CHECK_STALE: Words(
        "The register of objections (RPO) was not checked recently enough.",
        "Il Registro delle opposizioni (RPO) non è stato verificato abbastanza di recente.",
    ),
    Reason.SILENT_CALL_HOLD: Words(
        "A silent call was made less than 5 days before.",
        "Una chiamata muta è stata fatta meno di 5 giorni prima.",
    ),
    Reason.OPERATOR_REQUIRED: Words(
        "After a silent call the next one must be made by an operator.",
        "Dopo una chiamata muta la successiva deve essere fatta da un operatore.",
    ),
    Reason.CAMPAIGN_SILENT_RATIO: Words(
        "The campaign made too many silent calls.", "La campagna ha fatto troppe chiamate mute."
    ),
    Reason.ERASED: Words(
        "The person had their data erased.", "La persona ha ottenuto la cancellazione dei dati."
    ),
    Reason.QUARANTINED: Words(
        "A record of this contact cannot be read: denied until somebody reads it.",
        "Una registrazione di questo recapito è illeggibile: vietato finché qualcuno non la legge.",
    ),
    Reason.STALE_REPLICA: Words(
        "The copy that answered is too old.", "La copia che ha risposto è troppo vecchia."
    ),
    Reason.CHANNEL_MISMATCH: Words(
        "This channel does not reach a contact of this kind.",
        "Questo canale non raggiunge un recapito di questo tipo.",
    ),
}

CHANNEL: Final[Mapping[Channel, Words]] = {
    Channel.EMAIL: Words("e-mail", "e-mail"),
    Channel.SMS: Words("SMS", "SMS"),
    Channel.MMS: Words("MMS", "MMS"),
    Channel.PUSH: Words("push", "notifiche push"),
    Channel.MESSAGING: Words("messaging", "messaggistica"),
    Channel.FAX: Words("fax", "fax"),
    Channel.AUTOMATED_CALL: Words("automated call", "chiamata automatica"),
    Channel.OPERATOR_CALL: Words("operator call", "chiamata con operatore"),
    Channel.POST: Words("post", "posta"),
}

PURPOSE: Final[Mapping[Purpose, Words]] = {
    Purpose.MARKETING: Words("marketing", "marketing"),
    Purpose.PROFILING: Words("profiling", "profilazione"),
    Purpose.THIRD_PARTY_DISCLOSURE: Words("disclosure to third parties", "comunicazione a terzi"),
    Purpose.RELATIONSHIP: Words("following up requests", "seguito alle richieste"),
}

KIND: Final[Mapping[Kind, Words]] = {
    Kind.EMAIL: Words("e-mail", "e-mail"),
    Kind.PHONE: Words("phone", "telefono"),
    Kind.POSTAL: Words("postal address", "indirizzo postale"),
}

#: By the names that verdicts give.
BASIS: Final[Mapping[str, Words]] = {
    "consent": Words("consent", "consenso"),
    "soft_opt_in": Words("soft opt-in (a sale)", "soft opt-in (vendita)"),
    "legitimate_interest": Words("legitimate interest", "legittimo interesse"),
    "public_directory": Words("public directory", "elenco pubblico"),
}

OPERATOR_GUARANTEED: Final = Words(
    "only if an operator is guaranteed", "solo se è garantito un operatore"
)
