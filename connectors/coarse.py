"""One answer for a target that knows a contact and nothing else: rounded towards denial.

Such a target serves one channel for one purpose, of one brand or of all. A doubt is a denial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from connectors.protocol import Applied, Change, Contact, Traits, Verdict
from noli.domain.channel import Channel, Kind, Purpose
from noli.domain.facts import EVERY_BRAND
from noli.domain.reason import OPERATOR_GUARANTEED

#: An allowance without an end ends in the year 9999, ms UTC; a denial has ended at 0.
FOR_EVER: Final = 253_402_300_799_999
DENIED: Final = 0
#: What a target keeps by being what it is: somebody who calls through it is an operator.
_KEPT: Final = {Channel.OPERATOR_CALL.value: frozenset({OPERATOR_GUARANTEED})}
_NOTES: Final = {Kind.EMAIL: "rounded_to_address", Kind.POSTAL: "rounded_to_address"}

ForPurpose = Annotated[Purpose, Field(description="What it is used for.")]
OfBrand = Annotated[
    str, Field(description="The brand it is used for; *: any, so all of them must be allowed.")
]


class Scope(NamedTuple):
    """What a target is used for. Brand `*`: for every brand there is."""

    channel: str
    purpose: str
    brand: str = EVERY_BRAND


class Rounded(NamedTuple):
    """`until` when the contact is allowed, ms UTC: `DENIED`, or at most `FOR_EVER`."""

    until: int
    note: str | None = None

    def applied(self) -> Applied:
        """The receipt's words for it."""
        return Applied(self.note)


def traits(batch: int, *, volatile: bool = False) -> Traits:
    """Those of a target that knows contacts and no versions, and can be asked about each."""
    return Traits(
        read_back="exact",
        batch=batch,
        versions="ledger",
        volatile=volatile,
        every_brand=True,
        many_controllers=False,
    )


def rounded(change: Change, scope: Scope) -> Rounded:
    """What the target is told of a contact."""
    of_pair = [v for v in change.verdicts if v[:2] == scope[:2]]
    untils = [_until(verdict, scope.channel) for verdict in _covered(of_pair, scope.brand)]
    until = min(untils, default=DENIED)
    coarser = until == DENIED and any(untils)
    kind = change.contact.kind if change.contact else Kind.PHONE
    return Rounded(until, _NOTES.get(kind, "rounded_to_number") if coarser else None)


def together(
    changes: Iterable[Change], scope: Scope, name: Callable[[Contact | None], str | None]
) -> dict[str, Rounded]:
    """What the target is told, by the name it knows a contact by; who has none is left out.

    While tokens change, a contact may have two changes: the one that ends sooner counts.
    """
    told: dict[str, Rounded] = {}
    for change in changes:
        if (known := name(change.contact)) is not None:
            new = rounded(change, scope)
            told[known] = min(new, told.get(known, new), key=lambda each: each.until)
    return told


def _covered(of_pair: Iterable[Verdict], brand: str) -> list[Verdict]:
    """The verdicts that count for that brand, as docs/howto/connect-your-application.md tells."""
    said = {verdict.brand: verdict for verdict in of_pair}
    if brand == EVERY_BRAND:
        return list(said.values())
    found = said.get(brand) or said.get("") or said.get(EVERY_BRAND)
    return [found] if found else []


def _until(verdict: Verdict, channel: str) -> int:
    if not verdict.allowed or not _KEPT.get(channel, frozenset()).issuperset(verdict.conditions):
        return DENIED
    return FOR_EVER if verdict.until is None else verdict.until
