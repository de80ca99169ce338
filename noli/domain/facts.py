"""Facts: what a CloudEvent says, read once and typed. One dataclass per event type.

Channel and purpose sets are bit sets of `noli.domain.channel`; times are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from noli.domain.channel import Purpose
from noli.domain.contact import Contact

#: The brand that is every brand.
EVERY_BRAND: Final = "*"


class SourceKind(StrEnum):
    """How a contact was come by; `unknown` never gives a basis."""

    UNKNOWN = "unknown"
    FORM = "form"
    SALE = "sale"
    BUSINESS_CARD = "business_card"
    ENQUIRY = "enquiry"
    REFERRAL = "referral"
    PUBLIC_DIRECTORY = "public_directory"
    PURCHASED_LIST = "purchased_list"
    SOCIAL_NETWORK = "social_network"
    WEB_SCRAPE = "web_scrape"


class InterestReason(StrEnum):
    """Why there is a legitimate interest; `unknown` voids it."""

    UNKNOWN = "unknown"
    ENQUIRY = "enquiry"
    BUSINESS_CARD = "business_card"
    CUSTOMER = "customer"
    FORMER_CUSTOMER = "former_customer"


class Via(StrEnum):
    """How an objection reached us."""

    UNKNOWN = "unknown"
    UNSUBSCRIBE_LINK = "unsubscribe_link"
    SMS_STOP = "sms_stop"
    CALL = "call"
    LETTER = "letter"
    EMAIL = "email"
    WEB = "web"
    AT_COLLECTION = "at_collection"
    COMPLAINT = "complaint"


class Register(StrEnum):
    """Which list of the register of objections; `unknown` listed reads as both."""

    UNKNOWN = "unknown"
    PHONE = "phone"
    POST = "post"


class SubjectType(StrEnum):
    """Who is behind the contact. It never loosens a verdict (LEGAL-PERSON)."""

    UNKNOWN = "unknown"
    NATURAL = "natural"
    LEGAL = "legal"


@dataclass(frozen=True, slots=True)
class ConsentGiven:
    """`noli.consent.given.v1`. `box_purposes` as on the form."""

    purpose: Purpose
    channels: int
    consent_id: str | None
    box_purposes: tuple[str, ...]
    preticked: bool
    required_for_contract: bool
    double_opt_in: bool


@dataclass(frozen=True, slots=True)
class ConsentConfirmed:
    """`noli.consent.confirmed.v1`."""

    consent_id: str


@dataclass(frozen=True, slots=True)
class ConsentWithdrawn:
    """`noli.consent.withdrawn.v1`."""

    purposes: int
    channels: int


@dataclass(frozen=True, slots=True)
class ObjectionRaised:
    """`noli.objection.raised.v1`."""

    purposes: int
    channels: int
    via: Via


@dataclass(frozen=True, slots=True)
class SoftOptInRecorded:
    """`noli.soft_opt_in.recorded.v1`."""

    sale_id: str | None
    categories: tuple[str, ...]
    informed: bool
    objection_offered: bool


@dataclass(frozen=True, slots=True)
class InterestRecorded:
    """`noli.interest.recorded.v1`."""

    reason: InterestReason
    channels: int
    informed: bool


@dataclass(frozen=True, slots=True)
class ContactCollected:
    """`noli.contact.collected.v1`; the source is the envelope's `source_id`."""

    source_kind: SourceKind
    proof: str | None
    subject_type: SubjectType


@dataclass(frozen=True, slots=True)
class DirectoryStatus:
    """`noli.directory.status.v1`."""

    listed: bool


@dataclass(frozen=True, slots=True)
class SourceRevoked:
    """`noli.source.revoked.v1`; the source is the envelope's `source_id`."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class RegisterListed:
    """`noli.register.listed.v1`."""

    register: Register


@dataclass(frozen=True, slots=True)
class RegisterDelisted:
    """`noli.register.delisted.v1`."""

    register: Register


@dataclass(frozen=True, slots=True)
class RegisterVerified:
    """`noli.register.verified.v1`."""

    register: Register


@dataclass(frozen=True, slots=True)
class ContractStarted:
    """`noli.contract.started.v1`."""

    contract_id: str


@dataclass(frozen=True, slots=True)
class ContractEnded:
    """`noli.contract.ended.v1`."""

    contract_id: str


@dataclass(frozen=True, slots=True)
class CallSilent:
    """`noli.call.silent.v1`; `answered_at` and `cut_after_ms` in milliseconds."""

    campaign: str | None
    answered_at: int | None
    cut_after_ms: int | None
    comfort_noise: bool | None


@dataclass(frozen=True, slots=True)
class CallAttended:
    """`noli.call.attended.v1`; as `CallSilent`."""

    campaign: str | None
    answered_at: int | None
    cut_after_ms: int | None
    comfort_noise: bool | None


@dataclass(frozen=True, slots=True)
class ErasureRequested:
    """`noli.erasure.requested.v1`."""


@dataclass(frozen=True, slots=True)
class PartyLinked:
    """`noli.party.linked.v1`: the envelope names both party and contact."""


@dataclass(frozen=True, slots=True)
class PartyUnlinked:
    """`noli.party.unlinked.v1`: the envelope names both party and contact."""


@dataclass(frozen=True, slots=True)
class ProfilingPerformed:
    """`noli.profiling.performed.v1`: for the dossier; it changes no verdict."""

    purpose: str | None
    basis: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Ours: a record of this contact could not be read. `reason` holds no personal data."""

    reason: str


Detail = (
    ConsentGiven
    | ConsentConfirmed
    | ConsentWithdrawn
    | ObjectionRaised
    | SoftOptInRecorded
    | InterestRecorded
    | ContactCollected
    | DirectoryStatus
    | SourceRevoked
    | RegisterListed
    | RegisterDelisted
    | RegisterVerified
    | ContractStarted
    | ContractEnded
    | CallSilent
    | CallAttended
    | ErasureRequested
    | PartyLinked
    | PartyUnlinked
    | ProfilingPerformed
    | Quarantined
)

#: Facts that can only deny: read before all others, and never refused for a missing detail.
DENYING: Final[frozenset[type]] = frozenset(
    {ObjectionRaised, ConsentWithdrawn, ErasureRequested, CallSilent, RegisterListed, Quarantined}
)


@dataclass(frozen=True, slots=True, repr=False)
class Fact:
    """One accepted event. `fact_id` names its content: a retry has the same.

    `time` is when the person acted, `accepted` when the log took it. Exactly one of `contact` and
    `party` is set, but both in a link, and neither in a source revocation.
    """

    fact_id: bytes
    source: str
    id: str
    time: int
    accepted: int
    controller: str
    contact: Contact | None
    party: str | None
    brands: tuple[str, ...]
    source_id: str | None
    evidence_ref: str | None
    detail: Detail

    @property
    def effective(self) -> int:
        """Evidence time: nothing takes effect from the future."""
        return min(self.accepted, self.time)

    @property
    def denies(self) -> bool:
        """Whether it can only deny (it then travels in the objections lane)."""
        return type(self.detail) in DENYING

    def __repr__(self) -> str:
        """Type and content hash: sender's ids may hold personal data."""
        return f"Fact({type(self.detail).__name__}, {self.fact_id.hex()})"
