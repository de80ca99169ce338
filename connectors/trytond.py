"""Tryton's REST interface: models asked and changed with the key of a user application."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias

import orjson
from pydantic import AfterValidator, SecretStr

from connectors.egress import Asked, Egress
from connectors.protocol import Retry
from connectors.rest import answered, parsed

#: Tryton hides inactive rows from a search and from a change, unless told to show them.
_CONTEXT: Final = {"active_test": False}


def key(value: SecretStr) -> SecretStr:
    """The key itself. Raises ValueError where it cannot stand in a header, which would quote it."""
    if not re.fullmatch(r"[!-~]+", value.get_secret_value()):
        raise ValueError("is no key: letters and digits, as Tryton shows it")
    return value


Key: TypeAlias = Annotated[SecretStr, AfterValidator(key)]


@dataclass(frozen=True, slots=True)
class Database:
    """A database, whose address `way` holds."""

    way: Egress
    key: SecretStr

    async def ask(
        self,
        method: str,
        name: str,
        domain: Sequence[object] | None = None,
        *,
        fields: Sequence[str] = (),
        body: Mapping[str, object] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        """Tryton's answer: rows of a `domain`, else fields. Raises `Retry` for anything else."""
        query = {"f": fields} if domain is None else {"f": fields, "d": _encoded(domain)}
        headers = {
            "Authorization": f"Bearer {self.key.get_secret_value()}",
            "Content-Type": "application/json",
            "X-Tryton-Context": _encoded(_CONTEXT),
        }
        path = f"/rest/model/{name}"
        sent = b"" if body is None else orjson.dumps(body)
        found = parsed(await answered(self.way, Asked(method, path, query, sent, headers)))
        if not isinstance(found, dict if domain is None else list):
            raise Retry("no_tryton")
        return found


def _encoded(value: object) -> str:
    return urlsafe_b64encode(orjson.dumps(value)).decode()
