"""TLS and SASL of Faust's client, from the properties that every other process reads."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from streams.watch.transport import UnknownSecurity, credentials, properties


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, secret = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, secret


def test_nothing_said_is_plaintext(tmp_path: Path) -> None:
    """As librdkafka's default; tuning properties have no counterpart and need none."""
    path = tmp_path / "kafka.toml"
    path.write_text('"socket.keepalive.enable" = true\n', "utf-8")
    assert credentials(properties(None)) is None
    assert credentials(properties(path)) is None


def test_tls_verifies_the_broker_and_its_name(pair: tuple[Path, Path]) -> None:
    """A CA of one's own; our certificate where brokers ask for one; the name unless told not to."""
    certificate, key = pair
    given = {
        "security.protocol": "SSL",
        "ssl.ca.location": str(certificate),
        "ssl.certificate.location": str(certificate),
        "ssl.key.location": str(key),
    }
    found = credentials(given)
    assert isinstance(found, SSLCredentials)
    assert found.context.verify_mode is ssl.CERT_REQUIRED
    assert found.context.check_hostname
    assert found.context.cert_store_stats()["x509"] == 1
    assert credentials_to_aiokafka_auth(found)["security_protocol"] == "SSL"
    unnamed = credentials({**given, "ssl.endpoint.identification.algorithm": "none"})
    assert isinstance(unnamed, SSLCredentials)
    assert not unnamed.context.check_hostname
    assert unnamed.context.verify_mode is ssl.CERT_REQUIRED


def test_certificates_may_stand_in_the_file_itself(pair: tuple[Path, Path]) -> None:
    """As PEM text, which librdkafka takes too."""
    certificate, key = (path.read_text("utf-8") for path in pair)
    found = credentials(
        {
            "security.protocol": "ssl",
            "ssl.ca.pem": certificate,
            "ssl.certificate.pem": certificate,
            "ssl.key.pem": key,
        }
    )
    assert isinstance(found, SSLCredentials)
    assert found.context.cert_store_stats()["x509"] == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_sasl_over_tls(mechanism: str) -> None:
    """Name and password, never shown; TLS below where the protocol says so."""
    given = {
        "security.protocol": "sasl_ssl",
        "sasl.mechanisms": mechanism,
        "sasl.username": "noli",
        "sasl.password": "secret-of-noli",
    }
    found = credentials(given)
    assert isinstance(found, SASLCredentials)
    assert "secret-of-noli" not in repr(found)
    told = credentials_to_aiokafka_auth(found)
    assert (told["security_protocol"], told["sasl_mechanism"]) == ("SASL_SSL", mechanism)
    assert (told["sasl_plain_username"], told["sasl_plain_password"]) == ("noli", "secret-of-noli")
    assert told["ssl_context"] is not None
    plain = credentials({**given, "security.protocol": "sasl_plaintext"})
    assert credentials_to_aiokafka_auth(plain)["security_protocol"] == "SASL_PLAINTEXT"


@pytest.mark.parametrize(
    "given, named",
    [
        ({"security.protocol": "kerberos"}, "security.protocol"),
        ({"security.protocol": "sasl_ssl", "sasl.mechanism": "GSSAPI"}, "sasl.mechanism"),
        ({"ssl.keystore.location": "/keys.jks"}, "ssl.keystore.location"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(given: dict[str, str], named: str) -> None:
    """Never less protection than somebody wrote down."""
    with pytest.raises(UnknownSecurity, match=named):
        credentials(given)
