"""Structured logs, one JSON object a line on stderr, without personal data.

Redaction is a safety net, not a licence: no call site may pass a contact. What looks like a phone
number or an e-mail in any string is replaced before it is written.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

REDACTED: Final = "[redacted]"

#: An e-mail, or 7 to 15 digits with the separators people type (E.164 holds at most 15). Digits
#: inside a longer word (a token, an offset in hexadecimal) are left alone.
_PERSONAL: Final = re.compile(
    r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)*|(?<![\w.:/@-])(?:\+|00)?\d(?:[ ().-]{0,2}\d){6,14}(?![\w:])"
)

#: Fields whose numbers are ours, never a contact.
_PLAIN_FIELDS: Final = frozenset(
    {"timestamp", "offset", "frontier", "epoch", "version", "pid", "port", "elapsed_ms"}
)


def redact(text: str) -> str:
    """`text` with everything that looks like a phone number or an e-mail replaced."""
    return _PERSONAL.sub(REDACTED, text)


def _redact_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for field, value in event.items():
        if isinstance(value, str) and field not in _PLAIN_FIELDS:
            event[field] = redact(value)
    return event


class _Stderr:
    """Writes each line to whatever stderr is at that moment."""

    def __init__(self, *_: object) -> None:
        pass

    def msg(self, line: str) -> None:
        """One write a line, so that threads do not mix."""
        sys.stderr.write(line + "\n")

    debug = info = warning = warn = error = critical = exception = log = msg


def configure(process: str, level: str = "info") -> None:
    """Set up logging of this process; every line carries its name."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact_event,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=_Stderr,
    )
    structlog.contextvars.bind_contextvars(process=process)


class _Forward(logging.Handler):
    """Hands records of the standard library's logging to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line; librdkafka's facility and text become a field."""
        get_logger().log(record.levelno, record.name, detail=record.getMessage())


def librdkafka() -> logging.Logger:
    """Where Kafka clients log: the same redacted lines, instead of raw text on stderr."""
    logger = logging.getLogger("librdkafka")
    if not logger.handlers:
        logger.addHandler(_Forward())
        logger.propagate = False
    return logger


def get_logger() -> Any:  # noqa: ANN401 - structlog's lazy proxy has no static type
    """The logger; call it with a stable event name and fields: `log.info("claimed", epoch=1)`."""
    return structlog.get_logger()
