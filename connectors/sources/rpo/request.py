"""The list to be verified: who must be on it, and its file."""

from __future__ import annotations

import csv
import os
import tempfile
import zipfile
from collections.abc import Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Final

from connectors.sources.rpo.answer import ITALY, on_the_list
from connectors.sources.rpo.dialect import Dialect, Register
from noli.domain.policy import Policy
from noli.domain.state import Basis, Flag, Latest, State

_ENDING: Final = {"lf": "\n", "crlf": "\r\n"}
_CHECKS: Final = {
    Register.PHONE: {Latest.PHONE_LISTED, Latest.PHONE_DELISTED, Latest.PHONE_VERIFIED},
    Register.POST: {Latest.POST_LISTED, Latest.POST_DELISTED, Latest.POST_VERIFIED},
}
_NEVER: Final = -(1 << 62)


def lapse(state: State, register: Register, policy: Policy) -> int | None:
    """REGISTER-FRESH: when the last check of a contact lapses (ms); None if it needs none.

    A check counts, and so does a later consent. Who was erased, is foreign, or has nothing but
    void grants is never called for marketing: a verification of it would be paid for nothing.
    """
    contact = state.contact
    grants = [grant for grant in state.grants if not grant.flags & Flag.VOID]
    if contact is None or contact.kind != register.kind or not grants:
        return None
    if register == Register.PHONE and not on_the_list(contact.value):
        return None
    checks = [mark.at for mark in state.marks if mark.what in _CHECKS[register]]
    consents = [grant.time for grant in grants if grant.basis == Basis.CONSENT]
    phone = register == Register.PHONE
    valid = policy.phone_check_valid if phone else policy.post_check_valid
    return max([_NEVER, *checks, *consents]) + valid


def write(path: Path, dialect: Dialect, register: Register, values: Iterable[str]) -> int:
    """Write normalised values in the dialect; how many. A reader sees no file or the whole one.

    Mode 0600. A zip holds one file, named after it. Raises `UnicodeEncodeError` for an address that
    the dialect's encoding cannot write.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as out:
            if dialect.zip:
                with (
                    zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
                    archive.open(f"{path.stem}.txt", "w", force_zip64=True) as inside,
                ):
                    count = _lines(inside, dialect, register, values)
            else:
                count = _lines(out, dialect, register, values)
                out.flush()
            os.fsync(out.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return count


def _lines(out: IO[bytes], dialect: Dialect, register: Register, values: Iterable[str]) -> int:
    text = TextIOWrapper(out, encoding=dialect.encoding, newline="")
    writer = csv.writer(
        text, delimiter=dialect.delimiter, lineterminator=_ENDING[dialect.line_ending]
    )
    if dialect.header:
        writer.writerow([dialect.number if isinstance(dialect.number, str) else "number"])
    national = register == Register.PHONE and dialect.number_form == "national"
    count = 0
    for count, value in enumerate(values, 1):  # noqa: B007 - counted
        writer.writerow([value.removeprefix(ITALY) if national else value])
    text.flush()
    text.detach()
    return count
