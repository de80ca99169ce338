"""The scrub certificate: who can make one, and what it is worth once touched."""

from __future__ import annotations

import hashlib
import io
import json

import pytest

from noli.domain.token import Pepper
from noli.replica.scrub import certificate
from noli.replica.scrub.certificate import Certificate, Counts, Invalid, Replica
from tests.support.copies import NOW, PEPPER

MADE = Certificate(
    input_sha256=hashlib.sha256(b"in").hexdigest(),
    output_sha256=hashlib.sha256(b"out").hexdigest(),
    counts=Counts(3, 1, 2, 1, {"OBJECTED": 1}),
    controller="acme",
    channel="operator_call",
    purpose="marketing",
    brand=None,
    product=None,
    as_of=certificate.moment(NOW),
    lease_seconds=30.0,
    started="2026-11-24T09:00:00Z",
    ended="2026-11-24T09:00:01Z",
    replica=Replica("g-1", "a-topic", 1, "dialer-1"),
)
KEY = certificate.public_key(PEPPER)
SIGNED = certificate.sign(MADE, PEPPER)


def test_a_certificate_is_opened_by_the_public_key_alone() -> None:
    """What was signed comes back; it says which of the two lists a file is."""
    assert certificate.opened(SIGNED, KEY) == MADE
    assert certificate.which(MADE, io.BytesIO(b"in")) == "input"
    assert certificate.which(MADE, io.BytesIO(b"out")) == "output"
    with pytest.raises(Invalid, match="neither"):
        certificate.which(MADE, io.BytesIO(b"out "))


@pytest.mark.parametrize("secret, version", [(bytes(32), 1), (PEPPER.secret, 2)])
def test_another_pepper_signs_with_another_key(secret: bytes, version: int) -> None:
    """A certificate of another deployment, or of another pepper version, is not ours."""
    with pytest.raises(Invalid, match="another key"):
        certificate.opened(certificate.sign(MADE, Pepper(version, secret)), KEY)


@pytest.mark.parametrize(
    "before, after",
    [(b'"allowed":1', b'"allowed":2'), (b'"controller":"acme"', b'"controller":"acmy"')],
)
def test_an_altered_certificate_is_worthless(before: bytes, after: bytes) -> None:
    """Any change of what is certified breaks the signature."""
    assert before in SIGNED
    with pytest.raises(Invalid, match="altered"):
        certificate.opened(SIGNED.replace(before, after), KEY)


@pytest.mark.parametrize("rubbish", [b"", b"{}", b"[]", b"\xff", SIGNED[:-9]])
def test_what_is_no_certificate_is_refused(rubbish: bytes) -> None:
    """Rubbish is told as such."""
    with pytest.raises(Invalid, match="not a scrub certificate"):
        certificate.opened(rubbish, KEY)


def test_a_certificate_names_what_an_inspector_asks_for() -> None:
    """Digests, counts, scope, freshness, times and the copy: each under its own name."""
    found = json.loads(SIGNED)["certificate"]
    assert found["type"] == "noli.scrub_certificate.v1"
    assert found["as_of"] == "2026-11-24T09:00:00Z"
    assert found["counts"] == {
        "rows": 3, "allowed": 1, "denied": 2, "unparsable": 1, "reasons": {"OBJECTED": 1},
    }  # fmt: skip
