"""Logs never carry a phone number or an e-mail, whatever a call site passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog

from noli.runtime.logging import REDACTED, configure, get_logger, redact

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    "personal",
    [
        "+39 333 1234567",
        "0039 02 1234 5678",
        "333-123-4567",
        "3331234567",
        "06.12345678",
        "Anna.Rossi+news@example.it",
        "anna@xn--caff-dma.it",
    ],
)
def test_contacts_are_redacted(personal: str) -> None:
    """Every usual spelling of a contact is replaced."""
    assert redact(f"refused {personal} again") == f"refused {REDACTED} again"


@pytest.mark.parametrize(
    "ours",
    [
        "noli.state[3]@1234567",
        "01d2b1f0a9c8e7d6b5a49382716f5e4d3c",
        "127.0.0.1:18092",
        "2026-11-22T15:28:54.220376Z",
        "offset 12345",
    ],
)
def test_places_and_times_stay_readable(ours: str) -> None:
    """What an operator needs is not mistaken for a contact."""
    assert redact(ours) == ours


@pytest.fixture
def _configured() -> Iterator[None]:
    """Logging as a process has it, for one test."""
    configure("test")
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_configured")
def test_a_logged_field_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    """The safety net works on the written line."""
    get_logger().info("sent", to="+393331234567")
    line = capsys.readouterr().err
    assert REDACTED in line
    assert "3331234567" not in line
