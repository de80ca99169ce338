"""`noli register request`: from the states of a controller's contacts to the file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from connectors.sources.rpo import request
from connectors.sources.rpo.dialect import Dialect, Register
from noli.cli.bulk import Desk
from noli.cli.problem import ProblemError
from noli.cli.registering import contacts
from noli.domain import times
from noli.domain.policy import Policy

_SPAN: Final = re.compile(r"(\d{1,4})([dh])", re.ASCII)
_UNIT: Final = {"d": times.DAY, "h": times.HOUR}


def span(said: str) -> int:
    """Milliseconds of `3d` or `12h`. Raises `ProblemError`."""
    form = _SPAN.fullmatch(said.strip())
    if form is None:
        raise ProblemError("--due is no span of time", "give days or hours, e.g. 3d or 12h")
    return int(form[1]) * _UNIT[form[2]]


def selected(desk: Desk, controller: str, register: Register, until: int | None) -> list[str]:
    """Normalised values of who must be verified, sorted; `until`: only if due by then (ms).

    Raises `ProblemError`.
    """
    found: dict[bytes, str] = {}
    policy = Policy()
    for known in contacts.known(desk):
        found.pop(known.key, None)  # a later state is in place of the earlier one
        state = known.state
        if state.controller != controller or state.contact is None:
            continue
        lapse = request.lapse(state, register, policy)
        if lapse is not None and (until is None or lapse <= until):
            found[known.key] = state.contact.value
    return sorted(found.values())


def written(out: Path, dialect: Dialect, register: Register, values: list[str]) -> int:
    """Write the file; how many lines it asks for. Raises `ProblemError`."""
    try:
        return request.write(out, dialect, register, values)
    except UnicodeEncodeError:
        # Not chained: the library's message quotes the address.
        raise ProblemError(
            f"an address cannot be written in {dialect.encoding}; no file was made",
            "use a dialect whose encoding is utf-8",
        ) from None
    except OSError as error:
        raise ProblemError(
            f"{out} cannot be written: {error.strerror}", "name another place: --out"
        ) from error
