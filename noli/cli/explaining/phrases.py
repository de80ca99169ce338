"""The fixed words of `noli explain`, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from noli.domain.wording import Words

AS_OF: Final = Words("as of", "alla data")
ALLOWED: Final = Words("ALLOWED", "CONSENTITO")
DENIED: Final = Words("DENIED", "VIETATO")
VERDICT: Final = Words("Verdict", "Esito")
WHY: Final = Words("Why", "Perché")
FACTS: Final = Words("Facts", "Fatti")
BY: Final = Words("by", "via")
ON: Final = Words("on", "in base a:")
BRAND: Final = Words("brand", "marchio")
UNTIL: Final = Words("until", "fino al")
THEN: Final = Words("then by itself", "poi, da sé,")
ONLY_PRODUCTS: Final = Words("only for products of", "solo per prodotti di")
RULE: Final = Words("rule", "regola")
SOURCE: Final = Words("source", "fonte")
ACTED: Final = Words("acted", "compiuto")
ACCEPTED: Final = Words("accepted", "registrato")
REACHED: Final = Words("reached", "giunto qui")
SENDER: Final = Words("told by", "detto da")
EVIDENCE: Final = Words("evidence", "prova")
ORIGIN: Final = Words("obtained", "ottenuto da")
RECEIPT: Final = Words("receipt", "ricevuta")
NOTHING: Final = Words(
    "Nothing recorded of this contact by then: unknown, hence denied.",
    "Nulla di registrato su questo recapito a quella data: ignoto, quindi vietato.",
)
LATER: Final = Words(
    "Facts that counted only later, not used:", "Fatti che hanno contato solo dopo, non usati:"
)
UNREAD: Final = Words(
    "Records for all contacts that cannot be read (a revoked source may be missing):",
    "Registrazioni per tutti i recapiti illeggibili (può mancare una fonte revocata):",
)
#: Which rule an allowance rests on.
RULE_OF_BASIS: Final[Mapping[str, str]] = {
    "consent": "CONSENT-SPECIFIC",
    "soft_opt_in": "SOFT-OPT-IN",
    "legitimate_interest": "INTEREST",
    "public_directory": "DIRECTORY",
}
