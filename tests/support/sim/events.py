"""What is said in a simulated world: events as a sender posts them."""

from __future__ import annotations

from typing import Any, Final

from noli.domain import times
from noli.domain.contact import Contact, normalise
from noli.domain.token import Pepper, token

CONTROLLER: Final = "acme"
PEPPER: Final = Pepper(1, b"s" * 32)
PHONES: Final = ("+393331000001", "+393331000002")
EMAILS: Final = ("anna@example.it",)
CONTACTS: Final[tuple[Contact, ...]] = (
    *(normalise("phone", value) for value in PHONES),
    *(normalise("email", value) for value in EMAILS),
)
PARTIES: Final = ("crm:1", "crm:2")
SOURCE: Final = "list-7"
#: A channel of each kind of contact.
CHANNEL: Final = {"phone": "sms", "email": "email"}


def naming(controller: str, kind: str, value: str) -> bytes:
    """The token of a contact."""
    return token(PEPPER, controller, normalise(kind, value))


def token_of(contact: Contact) -> bytes:
    """Its token at the one controller there is."""
    return token(PEPPER, CONTROLLER, contact)


def about(contact: Contact) -> dict[str, Any]:
    """The contact as data."""
    return {"contact": {"kind": contact.kind.value, "value": contact.value}}


def event(number: int, what: str, at: int, **data: Any) -> dict[str, Any]:  # noqa: ANN401 - event data
    """A CloudEvent `noli.<what>.v1`; `at`: when the person acted, ms."""
    return {
        "specversion": "1.0",
        "source": "/sim",
        "id": str(number),
        "type": f"noli.{what}.v1",
        "time": times.text(at),
        "data": {"controller": CONTROLLER, **data},
    }


def consent(number: int, contact: Contact, at: int, **data: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """A proven consent to marketing on the contact's channel."""
    return event(
        number, "consent.given", at, **about(contact),
        **{
            "purpose": "marketing",
            "channels": [CHANNEL[contact.kind.value]],
            "evidence": {"ref": "form"},
            **data,
        },
    )  # fmt: skip
