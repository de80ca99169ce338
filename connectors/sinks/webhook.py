"""Any application that takes a signed HTTP POST: Standard Webhooks (standardwebhooks.com).

Only a 2xx confirms; every other answer is repeated, with the same `webhook-id`, for as long as it
takes. The receiver keeps the highest `version` per `token` and ignores what is older. One that can
be asked what it holds (`read_back_url`) is held to its word: a 2xx is a promise, not a proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated, Any, Final

import orjson
import standardwebhooks
from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
    SecretStr,
    StrictBool,
    ValidationError,
    field_validator,
)

from connectors import rest
from connectors.egress import Asked, Authorities, Egress, HttpUrl
from connectors.protocol import (
    Applied,
    Change,
    Held,
    Problem,
    Result,
    Retry,
    SinkConfig,
    Subject,
    Traits,
    Verdict,
)
from noli.domain import times
from noli.domain.contact import Contact
from noli.runtime.clock import now_ms

_S: Final = 1_000  # ms in a second


class Webhook:
    """Posts `noli.verdicts.v1` batches, signed; a 2xx confirms every change in the body."""

    class Config(SinkConfig):
        """Where to post, and how the receiver knows that it is us."""

        url: Annotated[
            HttpUrl, Field(description="https:// (or http://) address that takes the POST.")
        ]
        secret: Annotated[
            SecretStr, Field(description="Signing secret: whsec_ and base64 of 24 to 64 bytes.")
        ]
        read_back_url: Annotated[
            HttpUrl | None,
            Field(description="Address that answers what it holds of the contacts posted there."),
        ] = None
        timeout_s: Annotated[
            float, Field(gt=0, le=60, description="For one POST, connecting included, in seconds.")
        ] = 15.0
        batch: Annotated[int, Field(ge=1, le=1000, description="Most changes in one body.")] = 100
        in_flight: Annotated[int, Field(ge=1, le=16, description="Most POSTs at once.")] = 4
        allow_private_addresses: Annotated[
            bool, Field(description="Allow loopback, private and link-local addresses.")
        ] = False
        ca_file: Authorities = None

        @field_validator("secret")
        @classmethod
        def _is_secret(cls, value: SecretStr) -> SecretStr:
            try:
                standardwebhooks.Webhook(value.get_secret_value())
            except (ValueError, standardwebhooks.webhooks.EmptyWebhookSecretError):
                raise ValueError(
                    "is not base64; make one: echo whsec_$(openssl rand -base64 32)"
                ) from None
            return value

    def __init__(self, config: Config, app: str) -> None:
        self._app = app
        self._signer = standardwebhooks.Webhook(config.secret.get_secret_value())
        self._way = _way(config, config.url)
        self._back = config.read_back_url and _way(config, config.read_back_url)
        self.traits = Traits(
            read_back="exact" if self._back else "none",
            batch=config.batch,
            in_flight=config.in_flight,
        )

    async def check(self) -> Sequence[Problem]:
        """Resolve, connect, shake hands; post nothing."""
        problems = list(await self._way.check())
        if self._back:
            problems += [
                replace(each, what=each.what.replace("config.url", "config.read_back_url", 1))
                for each in await self._back.check()
            ]
        return problems

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """One POST for all of them."""
        body = orjson.dumps(self._body(changes))
        await self._way.post(body, self._headers(message_id(self._app, changes), body))
        return [Applied()] * len(changes)

    async def read_back(self, subjects: Sequence[Subject]) -> Mapping[str, Held]:
        """What it says it holds; nothing where it cannot be asked (`traits.read_back`)."""
        if not self._back:
            return {}
        contacts = [{"token": s.token, "contact": _contact(s.contact)} for s in subjects]
        asked = {"type": "noli.read_back.v1", "app": self._app, "contacts": contacts}
        body = orjson.dumps(asked)
        name = f"msg_{blake2b(body, digest_size=16).hexdigest()}"
        answer = await rest.answered(
            self._back, Asked(body=body, headers=self._headers(name, body))
        )
        try:
            told = _Answer.model_validate(rest.fields(answer))
        except ValidationError:
            # Not chained: what does not fit may be a contact.
            raise Retry("read_back_unreadable") from None
        known, now = {subject.token for subject in subjects}, now_ms()
        return {each.token: each.held(now) for each in told.held if each.token in known}

    async def aclose(self) -> None:
        """Close the kept connections."""
        await self._way.aclose()
        if self._back:
            await self._back.aclose()

    def _headers(self, name: str, body: bytes) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Content-Type": "application/json",
            "User-Agent": "noli",
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(name, now, body.decode()),
        }

    def _body(self, changes: Sequence[Change]) -> dict[str, Any]:
        moments = [change.as_of for change in changes]
        known = [moment for moment in moments if moment is not None]
        return {
            "type": "noli.verdicts.v1",
            "app": self._app,
            # One change whose time is not known makes the whole body's unknown.
            "as_of": times.text(min(known)) if known and len(known) == len(moments) else None,
            "changes": [_change(change) for change in changes],
        }


class _Verdict(BaseModel):
    """One pair of an answer; what it does not name is denied there."""

    channel: str
    purpose: str
    brand: str = "*"
    allowed: StrictBool
    until: AwareDatetime | None = None

    def holds(self, now: int) -> bool:
        """Whether it allows at a moment (ms)."""
        return self.allowed and (self.until is None or self.until.timestamp() * _S > now)


class _Told(BaseModel):
    """What the application holds of one contact."""

    token: str
    version: int | None = None
    verdicts: list[_Verdict]

    def held(self, now: int) -> Held:
        """The same for `connectors.drift`."""
        pairs = {(v.channel, v.purpose, v.brand): v.holds(now) for v in self.verdicts}
        return Held(self.version, pairs)


class _Answer(BaseModel):
    """The body of an answer to `noli.read_back.v1`."""

    held: list[_Told]


def _way(config: Webhook.Config, url: str) -> Egress:
    return Egress(
        url=url,
        timeout_s=config.timeout_s,
        keep=config.in_flight,
        allow_private=config.allow_private_addresses,
        ca_file=config.ca_file,
    )


def message_id(app: str, changes: Sequence[Change]) -> str:
    """The same for the same changes: a receiver that saw the first attempt knows the second."""
    content = blake2b(app.encode(), digest_size=16)
    for change in changes:
        content.update(f"|{change.token}:{change.version}".encode())
    return f"msg_{content.hexdigest()}"


def _change(change: Change) -> dict[str, Any]:
    return {
        "contact": _contact(change.contact),
        "token": change.token,
        "version": change.version,
        "verdicts": [_verdict(verdict) for verdict in change.verdicts],
    }


def _contact(contact: Contact | None) -> dict[str, str] | None:
    return contact and {"kind": contact.kind, "value": contact.value}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "channel": verdict.channel,
        "purpose": verdict.purpose,
        "brand": verdict.brand,
        "allowed": verdict.allowed,
        "reasons": verdict.reasons,
        "conditions": verdict.conditions,
        "until": None if verdict.until is None else times.text(verdict.until),
    }
