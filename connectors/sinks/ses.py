"""Amazon SES, version 2: who must not be written to is unsubscribed in a contact list.

Without topics, from the whole list (`UnsubscribeAll`); with them, topic by topic. What we changed
is noted in the contact's `AttributesData` under `noli`; only that is ever put back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any, Final

from pydantic import Field, SecretStr, model_validator

from connectors import coarse, protocol, subscriptions
from connectors.coarse import Scope, rounded
from connectors.protocol import Applied, Change, Held, Problem, Reject, Result, Retry
from connectors.rest import in_turn
from noli.domain.channel import Channel, Kind, Purpose
from noli.domain.facts import EVERY_BRAND
from noli.runtime.clock import now_ms, steady

#: What SES says to a request beyond its rate, and how long it wants to be left alone then, in s.
_THROTTLED: Final = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling"})
_LEAVE_ALONE_S: Final = 1.0
_OUT: Final = "OPT_OUT"
_ABSENT: Final = "NotFoundException"


class Ses:
    """Unsubscribes addresses in an SES contact list, wholly or by topic; needs `noli[ses]`."""

    class Config(protocol.SinkConfig):
        """Which contact list, where, as whom."""

        region: Annotated[str, Field(min_length=1, description="AWS region, as eu-south-1.")]
        contact_list: Annotated[str, Field(min_length=1, description="Name of the contact list.")]
        topics: Annotated[
            Mapping[str, str],
            Field(description="topic: the brand it writes for; none: the whole list, any brand."),
        ] = {}
        access_key_id: Annotated[
            SecretStr | None, Field(description="Key of the account; left out: as the AWS SDK.")
        ] = None
        secret_access_key: Annotated[
            SecretStr | None, Field(description="Its secret; left out: as the AWS SDK.")
        ] = None
        endpoint_url: Annotated[
            str | None, Field(description="Address instead of the region's own.")
        ] = None
        purpose: coarse.ForPurpose = Purpose.MARKETING
        requests_per_s: Annotated[
            float, Field(gt=0, le=1000, description="Most requests a second; SES grants one.")
        ] = 1.0
        timeout_s: Annotated[
            float, Field(gt=0, le=30, description="For one request, in seconds.")
        ] = 10.0
        batch: Annotated[int, Field(ge=1, le=25, description="Most addresses at once.")] = 10

        @model_validator(mode="after")
        def _has_sdk(self) -> Ses.Config:
            if find_spec("boto3") is None:
                raise ValueError("needs boto3, which is missing; pip install 'noli[ses]'")
            return self

    def __init__(self, config: Config, app: str) -> None:  # noqa: ARG002 - it asks no name
        self._config = config
        self._client: Any = None
        self._turn = -math.inf  # of the steady clock: when the next request may go
        self.traits = coarse.traits(config.batch)

    async def check(self) -> Sequence[Problem]:
        """Whether credentials and list are good, and the topics are the list's. Writes nothing."""
        try:
            found = await self._ask("get_contact_list")
        except Retry as error:
            remedy = "see region, credentials, their rights (docs/howto) and contact_list"
            return [Problem(f"config.contact_list: {error.reason}", remedy)]
        there = {topic["TopicName"] for topic in found.get("Topics", ())}
        return [
            Problem(f"config.topics: the list has no topic {name}", "name one of the list's")
            for name in self._config.topics
            if name not in there
        ]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Contact by contact: read, then changed where it differs."""
        return await in_turn(changes, self._set)

    async def read_back(self, subjects: Sequence[protocol.Subject]) -> Mapping[str, Held]:
        """By brand, whether SES would send; an address that the list has not is free."""
        held = {}
        for token, contact in subjects:
            if contact and contact.kind == Kind.EMAIL:
                found = await self._contact(contact.value) or {}
                held[token] = Held(None, self._allowed(found))
        return held

    async def aclose(self) -> None:
        """Close the kept connections."""
        if self._client is not None:
            await asyncio.to_thread(self._client.close)
            self._client = None

    async def _set(self, change: Change) -> Result:
        if change.contact is None or change.contact.kind != Kind.EMAIL:
            return Reject("not_an_address")
        said = {place: rounded(change, scope) for place, scope in self._places().items()}
        denied = {place for place, one in said.items() if one.until <= now_ms()}
        address = change.contact.value
        found = await self._contact(address)
        wanted = subscriptions.request(found or {}, denied, said)
        if wanted:
            method = "create_contact" if found is None else "update_contact"
            await self._ask(method, EmailAddress=address, **wanted)
        return Applied(next((one.note for one in said.values() if one.note), None))

    async def _contact(self, address: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None
        found = await self._ask("get_contact", absent=True, EmailAddress=address)
        return found

    def _places(self) -> dict[str, Scope]:
        """What we may change of a contact, and whom each place writes for."""
        brands = self._config.topics or {subscriptions.ALL: EVERY_BRAND}
        purpose = self._config.purpose
        return {place: Scope(Channel.EMAIL, purpose, brand) for place, brand in brands.items()}

    def _allowed(self, found: Mapping[str, Any]) -> dict[tuple[str, str, str], bool]:
        out = {
            p for p, status in subscriptions.statuses(found).items() if status == subscriptions.OUT
        }
        allowed: dict[tuple[str, str, str], bool] = {}
        for place, scope in self._places().items():
            allowed[scope] = allowed.get(scope, False) or not {subscriptions.ALL, place} & out
        return allowed

    async def _ask(self, method: str, *, absent: bool = False, **rest: Any) -> Any:  # noqa: ANN401 - JSON
        """SES's answer; None: the contact is `absent`. Raises `Retry` or `Reject`, not chained."""
        with contextlib.suppress(TimeoutError):  # a timer that ran out: our turn
            async with asyncio.timeout(max(0.0, self._turn - steady())):
                await asyncio.Event().wait()
        self._turn = steady() + 1 / self._config.requests_per_s
        errors = import_module("botocore.exceptions")
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await asyncio.to_thread(self._call, method, rest)
        except TimeoutError:
            raise Retry("timeout") from None
        except errors.ClientError as error:
            code = str(error.response["Error"]["Code"])  # its message may quote the address
            if absent and code == _ABSENT:
                return None
            if code == "BadRequestException" and method != "get_contact_list":
                raise Reject("ses_BadRequestException") from None
            raise Retry(f"ses_{code}", _LEAVE_ALONE_S if code in _THROTTLED else None) from None
        except (errors.ParamValidationError, UnicodeEncodeError):
            raise Reject("not_an_address") from None
        except (errors.BotoCoreError, OSError) as error:
            raise Retry(f"ses_{type(error).__name__}") from None

    def _call(self, method: str, rest: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        if self._client is None:
            self._client = self._opened()
        return getattr(self._client, method)(ContactListName=self._config.contact_list, **rest)

    def _opened(self) -> Any:  # noqa: ANN401 - made at run time from the SDK's own description
        for name in ("boto3", "botocore", "urllib3"):  # their DEBUG quotes addresses
            logging.getLogger(name).setLevel(logging.WARNING)
        key, secret = self._config.access_key_id, self._config.secret_access_key
        settings = import_module("botocore.config").Config(
            connect_timeout=self._config.timeout_s,
            read_timeout=self._config.timeout_s,
            retries={"total_max_attempts": 1},  # repeating is the runner's
        )
        return import_module("boto3").client(
            "sesv2",
            region_name=self._config.region,
            endpoint_url=self._config.endpoint_url,
            aws_access_key_id=key and key.get_secret_value(),
            aws_secret_access_key=secret and secret.get_secret_value(),
            config=settings,
        )
