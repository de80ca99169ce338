"""Which addresses are public, and how long a target asks to be left alone."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

import pytest

from connectors.egress import http_url, is_public, retry_after_s
from connectors.sinks.webhook import message_id
from connectors.testing import a_change

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",
        "169.254.169.254", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1",
        "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_public(address: str) -> None:
    """Loopback, private, link-local, metadata, multicast, reserved; also inside an IPv6 address."""
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    """IPv4, IPv6, and either wrapped in the other."""
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "header, seconds",
    [
        (None, None),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Tue, 24 Nov 2026 09:01:30 GMT", 90.0),
        ("Tue, 24 Nov 2026 08:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    """What cannot be read leaves the pause to us; a moment that has passed is now."""
    assert retry_after_s(header, NOW) == seconds


@pytest.mark.parametrize(
    "text", ["ftp://x/", "https:///path", "https://a:b@x/", "x", "", "http://[::1", "file:///etc"]
)
def test_only_plain_http_urls_are_taken(text: str) -> None:
    """No other scheme, no missing host, no password; what is said holds no value."""
    with pytest.raises(ValueError, match=r"leave them out|write https://host/path") as error:
        http_url(text)
    assert "a:b" not in str(error.value)


def test_a_message_id_is_that_of_its_content() -> None:
    """The same batch has the same id for ever; another version, contact or application another."""
    one, two = a_change("01" + "0" * 32, 1), a_change("01" + "1" * 32, 1)
    assert message_id("crm", [one, two]) == message_id("crm", [one, two])
    others = [
        message_id("crm", [one]),
        message_id("crm", [one, two._replace(version=2)]),
        message_id("esp", [one, two]),
        message_id("crm", [two, one]),
    ]
    assert len({message_id("crm", [one, two]), *others}) == 5
