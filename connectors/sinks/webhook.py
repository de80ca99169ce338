"""Any application that takes a signed HTTP POST: Standard Webhooks (standardwebhooks.com).

Only a 2xx confirms; every other answer is repeated, with the same `webhook-id`, for as long as it
takes. The receiver keeps the highest `version` per `token` and ignores what is older.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated, Any

import orjson
import standardwebhooks
from pydantic import Field, SecretStr, field_validator

from connectors.egress import Authorities, Egress, HttpUrl
from connectors.protocol import (
    Applied,
    Change,
    Held,
    Problem,
    Result,
    SinkConfig,
    Subject,
    Traits,
    Verdict,
)
from noli.domain import times


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
        self._way = Egress(
            url=config.url,
            timeout_s=config.timeout_s,
            keep=config.in_flight,
            allow_private=config.allow_private_addresses,
            ca_file=config.ca_file,
        )
        self.traits = Traits(batch=config.batch, in_flight=config.in_flight)

    async def check(self) -> Sequence[Problem]:
        """Resolve, connect, shake hands; post nothing."""
        return await self._way.check()

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """One POST for all of them."""
        body = orjson.dumps(self._body(changes))
        now = datetime.now(UTC)
        name = message_id(self._app, changes)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "noli",
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(name, now, body.decode()),
        }
        await self._way.post(body, headers)
        return [Applied()] * len(changes)

    async def read_back(self, subjects: Sequence[Subject]) -> Mapping[str, Held]:  # noqa: ARG002
        """Nothing: a webhook cannot be asked (`traits.read_back` is `none`)."""
        return {}

    async def aclose(self) -> None:
        """Close the kept connections."""
        await self._way.aclose()

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


def message_id(app: str, changes: Sequence[Change]) -> str:
    """The same for the same changes: a receiver that saw the first attempt knows the second."""
    content = blake2b(app.encode(), digest_size=16)
    for change in changes:
        content.update(f"|{change.token}:{change.version}".encode())
    return f"msg_{content.hexdigest()}"


def _change(change: Change) -> dict[str, Any]:
    contact = change.contact
    return {
        "contact": contact and {"kind": contact.kind, "value": contact.value},
        "token": change.token,
        "version": change.version,
        "verdicts": [_verdict(verdict) for verdict in change.verdicts],
    }


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
