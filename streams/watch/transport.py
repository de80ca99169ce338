"""TLS and SASL for Faust, from the same librdkafka properties that every other process reads.

`NOLI_KAFKA_CONFIG_FILE` holds them. A property of security that has no counterpart here is an
error: a connection must not be less protected than somebody wrote.
"""

from __future__ import annotations

import ssl
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from faust.auth import SASLCredentials, SSLCredentials

_PREFIXES: Final = ("security.", "ssl.", "sasl.", "enable.ssl.")
_KNOWN: Final = frozenset(
    {
        "security.protocol",
        "ssl.ca.location", "ssl.ca.pem",
        "ssl.certificate.location", "ssl.certificate.pem",
        "ssl.key.location", "ssl.key.pem", "ssl.key.password",
        "ssl.endpoint.identification.algorithm", "enable.ssl.certificate.verification",
        "sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password",
    }
)  # fmt: skip
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_PROTOCOLS: Final = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")

Credentials = SSLCredentials | SASLCredentials


class UnknownSecurity(Exception):
    """A property that Faust's client cannot be told; names it and what there is."""


def properties(path: Path | None) -> Mapping[str, Any]:
    """The file of the setting; empty where there is none."""
    return {} if path is None else tomllib.loads(path.read_text("utf-8"))


def credentials(given: Mapping[str, Any]) -> Credentials | None:
    """For `broker_credentials`; None: plaintext. Raises `UnknownSecurity`, OSError."""
    for name in given:
        if name.startswith(_PREFIXES) and name not in _KNOWN:
            raise UnknownSecurity(f"{name} has no counterpart here; known: {sorted(_KNOWN)}")
    protocol = str(given.get("security.protocol", "plaintext")).lower()
    if protocol not in _PROTOCOLS:
        raise UnknownSecurity(f"security.protocol {protocol!r}; known: {', '.join(_PROTOCOLS)}")
    context = _context(given) if protocol.endswith("ssl") else None
    if protocol.startswith("sasl"):
        return SASLCredentials(
            username=given.get("sasl.username"),
            password=given.get("sasl.password"),
            mechanism=_mechanism(given),
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None


def _mechanism(given: Mapping[str, Any]) -> str:
    found = str(given.get("sasl.mechanism") or given.get("sasl.mechanisms") or "").upper()
    if found not in _MECHANISMS:
        raise UnknownSecurity(f"sasl.mechanism {found!r}; known: {', '.join(_MECHANISMS)}")
    return found


def _context(given: Mapping[str, Any]) -> ssl.SSLContext:
    """As librdkafka would verify: the broker's certificate and its name, unless told otherwise."""
    context = ssl.create_default_context(
        cafile=given.get("ssl.ca.location"), cadata=given.get("ssl.ca.pem")
    )
    name = str(given.get("ssl.endpoint.identification.algorithm", "https")).lower()
    context.check_hostname = name == "https"
    if str(given.get("enable.ssl.certificate.verification", True)).lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _present(context, given)
    return context


def _present(context: ssl.SSLContext, given: Mapping[str, Any]) -> None:
    """Our own certificate, where the brokers ask for one."""
    password = given.get("ssl.key.password")
    if certificate := given.get("ssl.certificate.location"):
        context.load_cert_chain(certificate, given.get("ssl.key.location"), password)
    elif pem := given.get("ssl.certificate.pem"):
        # Python reads a chain from files only; nobody else may read this one, and it goes at once.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(f"{given.get('ssl.key.pem', '')}\n{pem}\n")
            file.flush()
            context.load_cert_chain(file.name, None, password)
