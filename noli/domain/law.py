"""The law as a table: every rule in a sentence, its sources, its reasons, the code behind it.

`docs/explanation/law.md` is generated from it, and `noli explain` speaks with its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from noli.domain.reason import Reason

_RPO: Final = "D.P.R. 26/2022"
_RULES: Final = "noli.domain.rules"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `sources`: seed documents by number, statutes. `reasons`: codes it can give.

    `code` names what enforces it, dotted; `later` is what of it comes with a later release.
    """

    id: str
    english: str
    italian: str
    sources: tuple[str, ...]
    reasons: tuple[Reason, ...]
    code: tuple[str, ...]
    later: str = ""


LAW: Final = (
    Rule(
        "NO-BASIS",
        "Without a recorded basis for exactly this contact, channel, purpose and brand, contact"
        " is denied; so it is for an unknown contact and for a channel that cannot reach it.",
        "Senza una base registrata per esattamente questo recapito, canale, finalità e marchio il"
        " contatto è vietato; così anche per un recapito ignoto o un canale che non lo raggiunge.",
        ("000", "002"),
        (Reason.NO_BASIS, Reason.CHANNEL_MISMATCH),
        ("noli.domain.outcome.outcome", "noli.domain.verdict.answer_from"),
    ),
    Rule(
        "SOURCE-KIND",
        "Social networks, web scraping and bought lists without proof never give a basis; a valid"
        " consent from a lawful source still counts.",
        "I social network, la raccolta automatica dal web e le liste acquistate senza prova non"
        " danno mai una base; resta valido un consenso proveniente da una fonte lecita.",
        ("000", "002"),
        (Reason.SOURCE_UNLAWFUL,),
        (f"{_RULES}.sources.find_unlawful", f"{_RULES}.sources.name_unlawful"),
    ),
    Rule(
        "SOURCE-REVOKED",
        "A revoked source voids every basis obtained through it, for all contacts at once; an"
        " independent basis survives.",
        "La revoca di una fonte annulla ogni base ottenuta da essa, per tutti i recapiti insieme;"
        " una base indipendente sopravvive.",
        ("002",),
        (Reason.SOURCE_UNLAWFUL,),
        (f"{_RULES}.sources.find_unlawful", "streams.suppress.sources.Sources.revoke"),
    ),
    Rule(
        "CONSENT-SPECIFIC",
        "One consent covers one purpose: marketing, profiling and disclosure to third parties"
        " never imply one another.",
        "Un consenso vale per una sola finalità: marketing, profilazione e comunicazione a terzi"
        " non si implicano mai a vicenda.",
        ("002",),
        (),
        ("noli.domain.events.parse", f"{_RULES}.consent.consent"),
    ),
    Rule(
        "CONSENT-FREE",
        "A consent is void if its box was pre-ticked, if it was required for the contract, or if"
        " the box served more than one purpose.",
        "Il consenso è nullo se la casella era preselezionata, se era condizione del contratto o se"
        " la casella serviva a più finalità.",
        ("002",),
        (Reason.CONSENT_INVALID,),
        (f"{_RULES}.consent.void",),
    ),
    Rule(
        "CONSENT-PROVEN",
        "A consent without a reference to its evidence is void: the controller carries the burden"
        " of proof.",
        "Il consenso senza riferimento alla prova è nullo: l'onere della prova è del titolare.",
        ("001", "003", "GDPR 7"),
        (Reason.CONSENT_UNPROVEN,),
        (f"{_RULES}.consent.void",),
    ),
    Rule(
        "CONSENT-CONFIRMED",
        "A double opt-in counts only once it is confirmed, and only if that happens within its"
        " window (7 days).",
        "Il doppio opt-in vale solo dopo la conferma, e solo se questa arriva entro il termine"
        " (7 giorni).",
        ("004",),
        (Reason.CONSENT_UNCONFIRMED, Reason.CONSENT_INVALID),
        (f"{_RULES}.consent.unconfirmed",),
    ),
    Rule(
        "CONSENT-EXTENDS",
        "Consent to marketing by any automated channel extends to calls by an operator and to"
        " post; never the other way, never from one automated channel to another.",
        "Il consenso al marketing con un canale automatizzato si estende alle chiamate con"
        " operatore e alla posta; mai il contrario, mai da un canale automatizzato a un altro.",
        ("002",),
        (),
        (f"{_RULES}.consent.extension", f"{_RULES}.consent.consent"),
    ),
    Rule(
        "WITHDRAW",
        "A withdrawal of consent denies its scope exactly as an objection does.",
        "La revoca del consenso vieta nel suo ambito esattamente come un'opposizione.",
        ("GDPR 7(3)",),
        (Reason.WITHDRAWN,),
        (f"{_RULES}.denials.deny", f"{_RULES}.denials.lifted"),
    ),
    Rule(
        "OBJECT",
        "An objection denies its scope whatever basis stands; only a consent later than it, both in"
        " its evidence and in its acceptance, lifts it, for its own scope; an unreadable objection"
        " denies everything.",
        "L'opposizione vieta nel suo ambito qualunque sia la base; la supera solo un consenso"
        " successivo, sia per la prova sia per la registrazione, e solo nel proprio ambito;"
        " un'opposizione illeggibile vieta tutto.",
        ("001", "GDPR 21"),
        (Reason.OBJECTED, Reason.QUARANTINED),
        (f"{_RULES}.denials.deny", f"{_RULES}.denials.lifted", "noli.domain.reading.denied"),
    ),
    Rule(
        "SOFT-OPT-IN",
        "Without consent, marketing by e-mail or post is allowed to who bought, was informed and"
        " could object when the contact was collected, by the same controller, for products of"
        " the same category.",
        "Senza consenso, il marketing per e-mail o posta è ammesso verso chi ha acquistato, è stato"
        " informato e ha potuto opporsi alla raccolta, dallo stesso titolare, per prodotti della"
        " stessa categoria.",
        ("001", "002", "Codice Privacy art. 130(4)"),
        (Reason.SOFT_OPT_IN_CHANNEL, Reason.SOFT_OPT_IN_INVALID),
        (f"{_RULES}.relations.soft_opt_in",),
    ),
    Rule(
        "SOFT-OPT-IN-PRODUCT",
        "A soft opt-in answers only who names the category of the product; asked without one, or"
        " for another, the answer is denied and names the categories.",
        "Il soft opt-in vale solo per chi indica la categoria del prodotto; senza, o per un'altra,"
        " la risposta è negativa e nomina le categorie.",
        ("001",),
        (Reason.PRODUCT_REQUIRED, Reason.PRODUCT_NOT_ANALOGOUS),
        (f"{_RULES}.relations.soft_opt_in", "noli.domain.verdict.answer_from"),
    ),
    Rule(
        "INTEREST",
        "Legitimate interest needs a reason, evidence and information given; it allows answering"
        " on the channels it names, and marketing by operator call and post only.",
        "Il legittimo interesse richiede un motivo, una prova e l'informativa resa; consente di"
        " dare seguito sui canali indicati, e il marketing solo con operatore e per posta.",
        ("004", "GDPR recital 47"),
        (Reason.INTEREST_INVALID, Reason.INTEREST_CHANNEL),
        (f"{_RULES}.relations.interest",),
    ),
    Rule(
        "LEGAL-PERSON",
        "A legal person is protected on automated channels exactly as a natural one.",
        "La persona giuridica è tutelata sui canali automatizzati esattamente come quella fisica.",
        ("002",),
        (),
        ("noli.domain.fold.fold", "noli.domain.outcome.outcome"),
    ),
    Rule(
        "UNLISTED",
        "A number recorded as unlisted may be called only on a proven consent.",
        "Un numero riservato può essere chiamato solo con un consenso provato.",
        ("003",),
        (Reason.UNLISTED,),
        (f"{_RULES}.directory.unlisted",),
    ),
    Rule(
        "DIRECTORY",
        "A number or address from a lawful public directory, recorded as listed there, not on the"
        " register and freshly checked, may be called by an operator or written to for marketing.",
        "Un numero o indirizzo tratto da un elenco pubblico lecito, che vi risulti presente, non"
        " iscritto al registro e verificato di recente, può ricevere marketing con operatore o"
        " per posta.",
        ("002", "003", "Codice Privacy art. 130(3-bis)"),
        (),
        (f"{_RULES}.directory.directory", f"{_RULES}.register.fresh_directory"),
    ),
    Rule(
        "REGISTER",
        "Listing on the register of objections (RPO) voids, for calls and for post, every basis"
        " obtained up to that date, consents included; later consents stand, and delisting brings"
        " nothing back.",
        "L'iscrizione al Registro delle opposizioni (RPO) annulla, per le chiamate e la posta, ogni"
        " base ottenuta fino a quella data, consensi compresi; i consensi successivi valgono, e la"
        " cancellazione non ripristina nulla.",
        (_RPO,),
        (Reason.REGISTERED,),
        (f"{_RULES}.register.voided", f"{_RULES}.register.name_listing"),
    ),
    Rule(
        "REGISTER-CONTRACT",
        "Consents survive a listing while a contract with that controller is active and for 30"
        " days after it ended; then they fall by themselves.",
        "I consensi sopravvivono all'iscrizione finché è attivo un contratto con quel titolare e"
        " per 30 giorni dalla sua fine; poi cadono da soli.",
        (_RPO,),
        (Reason.REGISTERED,),
        (f"{_RULES}.register.survives",),
    ),
    Rule(
        "REGISTER-FRESH",
        "Marketing calls to Italian numbers need a check of the register not older than 15 days,"
        " post on the directory basis one of 30; when it lapses contact is denied by itself.",
        "Le chiamate di marketing a numeri italiani richiedono una verifica del registro non più"
        " vecchia di 15 giorni, la posta da elenco pubblico di 30; scaduta, il contatto è vietato"
        " da sé.",
        (_RPO,),
        (Reason.REGISTER_CHECK_STALE,),
        (f"{_RULES}.register.fresh", f"{_RULES}.register.fresh_directory"),
    ),
    Rule(
        "SILENT-HOLD",
        "A silent call bars every call of that controller for 5 days; after it an operator must be"
        " guaranteed until a call is attended.",
        "Una chiamata muta vieta ogni chiamata di quel titolare per 5 giorni; dopo, deve essere"
        " garantito un operatore finché una chiamata non è stata presidiata.",
        ("002", "Garante 20 Feb 2014 n. 83"),
        (Reason.SILENT_CALL_HOLD, Reason.OPERATOR_REQUIRED),
        (f"{_RULES}.calls.silent_hold", "streams.watch.tally.confirmed_as_of"),
    ),
    Rule(
        "SILENT-RATIO",
        "A campaign with more than 3 silent calls in 100 that went well, as a whole or on one day,"
        " may not call and is alarmed; silent calls cut later than 3 seconds, and people left to"
        " wait in silence, are counted.",
        "Una campagna con più di 3 chiamate mute ogni 100 andate a buon fine, nel complesso o in un"
        " giorno, non può chiamare ed è segnalata; si contano le chiamate mute interrotte oltre i"
        " 3 secondi e le attese in silenzio.",
        ("002", "Garante 20 Feb 2014 n. 83"),
        (Reason.CAMPAIGN_SILENT_RATIO,),
        (
            "noli.domain.campaigns.exceeded",
            "noli.domain.campaigns.counted",
            "streams.watch.tally.Tally.judged",
            "noli.replica.bars.Bars.applied",
        ),
    ),
    Rule(
        "ERASED",
        "Erasure removes the personal data and keeps a keyed mark that denies everything; only a"
        " new consent, later than the erasure, lifts it.",
        "La cancellazione rimuove i dati personali e conserva un'impronta con chiave che vieta"
        " tutto; la supera solo un nuovo consenso, successivo alla cancellazione.",
        ("004", "GDPR 17", "GDPR 21"),
        (Reason.ERASED,),
        ("noli.domain.joins.without_erased", f"{_RULES}.denials.deny"),
    ),
    Rule(
        "PARTY",
        "What a person does on all contacts holds for every contact linked to them, later ones"
        " too; unlinking lifts nothing.",
        "Ciò che una persona decide per tutti i suoi recapiti vale per ogni recapito collegato,"
        " anche in seguito; lo scollegamento non ripristina nulla.",
        ("001", "GDPR 21"),
        (),
        ("noli.domain.parties.Links.holds", "streams.parties.step.Link.takes"),
    ),
    Rule(
        "DISCLOSURE",
        "Applications of a third party receive what allows only under a basis for disclosure to"
        " third parties, and always the denials.",
        "Le applicazioni di terzi ricevono ciò che consente solo con una base per la comunicazione"
        " a terzi, e sempre i divieti.",
        ("002",),
        (),
        ("connectors.lens.Lens.change",),
    ),
    Rule(
        "PROFILING-TRACED",
        "Acts of profiling are recorded per contact, with purpose and basis, and appear in its"
        " dossier, which `noli explain` prints.",
        "Le attività di profilazione sono registrate per recapito, con finalità e base, e figurano"
        " nel suo fascicolo, stampato da `noli explain`.",
        ("004",),
        (),
        ("noli.evidence.history.read", "noli.evidence.told.details"),
    ),
    Rule(
        "EVIDENCE",
        "For any contact and any past moment it can be said what was allowed, why, and on which"
        " evidence, and when each application confirmed it.",
        "Per ogni recapito e ogni momento passato si può dire che cosa era consentito, perché, in"
        " base a quale prova, e quando ogni applicazione lo ha confermato.",
        ("001", "002", "004"),
        (),
        (
            "noli.evidence.history.read",
            "noli.evidence.explanation.explain",
            "noli.evidence.turns.turns",
            "noli.evidence.deliveries.read",
        ),
    ),
    Rule(
        "ALL-ALIGNED",
        "Every registered application holds the same verdict within seconds, proven per"
        " application; an answer from a copy that is too old is denied.",
        "Ogni applicazione registrata conosce lo stesso esito entro secondi, con prova per"
        " ciascuna; la risposta di una copia troppo vecchia è negativa.",
        ("001",),
        (Reason.STALE_REPLICA,),
        ("noli.replica.gate.Gate.check",),
        "The proof per application, by receipts and read-back, comes with a later release.",
    ),
)

#: The rules by id, and those that can give a reason.
RULE: Final[Mapping[str, Rule]] = {rule.id: rule for rule in LAW}
BEHIND: Final[Mapping[Reason, tuple[Rule, ...]]] = {
    reason: tuple(rule for rule in LAW if reason in rule.reasons) for reason in Reason
}
