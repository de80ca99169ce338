"""What an order to an application says beside its verb."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from starlette.requests import Request

from noli.intake.api import BODY_TIMEOUT_S
from noli.runtime.httpserver import read_body
from noli.runtime.problem import Problem
from noli.wire.apps import Verb

#: Bytes of a body, and characters of the reason in it, which is kept for ever.
_BODY_MAX: Final = 10_000
_REASON_MAX: Final = 1_000

#: Verbs that may look at a share of the contacts; the others are about all of them.
_SAMPLED: Final = frozenset({Verb.VERIFY, Verb.REPAIR})


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of an order, or query of a DELETE. `sample`: share of the contacts, None: all."""

    reason: Annotated[str, msgspec.Meta(max_length=_REASON_MAX)] | None = None
    sample: Annotated[float, msgspec.Meta(ge=0.0001, le=1.0)] | None = None


async def asked(request: Request, verb: Verb) -> Asked:
    """Raises `Problem` 400, 408, 413, and 422 naming the field."""
    try:
        if request.method == "DELETE":
            found = msgspec.convert(dict(request.query_params), Asked)
        else:
            body = await read_body(request, _BODY_MAX, BODY_TIMEOUT_S)
            found = msgspec.json.decode(body or b"{}", type=Asked)
    except msgspec.ValidationError as error:
        # msgspec says "what - at `$.field`".
        what, _, field = str(error).rpartition(" - at `$.")
        raise _refused(f"{field.removesuffix('`')}: {what}" if what else field) from error
    except msgspec.DecodeError as error:
        raise Problem(400, "malformed", f"the body is not JSON: {error}") from error
    if found.sample is not None and verb not in _SAMPLED:
        raise _refused(f"sample: {verb.value} is about every contact; leave it out")
    return found


def _refused(detail: str) -> Problem:
    return Problem(422, "refused", detail)
