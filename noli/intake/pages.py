"""The pages people see behind an unsubscribe link: Italian first, English below, no script.

They name the sender and what is objected to, never the contact: links get forwarded and scanned.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources
from string import Template
from typing import Final

from starlette.responses import Response

from noli.intake.links import Link

_ITALIAN: Final[Mapping[str, str]] = {
    "marketing": "marketing",
    "profiling": "profilazione",
    "third_party_disclosure": "comunicazione a terzi",
    "relationship": "seguito delle sue richieste",
    "email": "e-mail",
    "sms": "SMS",
    "mms": "MMS",
    "push": "notifiche",
    "messaging": "messaggi",
    "fax": "fax",
    "automated_call": "chiamate automatiche",
    "operator_call": "chiamate con operatore",
    "post": "posta",
}
_ENGLISH: Final[Mapping[str, str]] = {
    "marketing": "marketing",
    "profiling": "profiling",
    "third_party_disclosure": "disclosure to third parties",
    "relationship": "follow-up of your requests",
    "email": "e-mail",
    "sms": "SMS",
    "mms": "MMS",
    "push": "notifications",
    "messaging": "messages",
    "fax": "fax",
    "automated_call": "automated calls",
    "operator_call": "calls by an operator",
    "post": "post",
}
#: What OBJECT denies when nothing is named.
_DEFAULT_PURPOSES: Final = ("marketing", "profiling", "third_party_disclosure")


def ask(link: Link) -> Response:
    """200: the question, with the button that objects."""
    return _page(
        200,
        "Non contattatemi più",
        "ask.html",
        {
            "controller": ", ".join(link.brands) or link.controller,
            "purposes_it": _named(_ITALIAN, link.purposes or _DEFAULT_PURPOSES),
            "purposes_en": _named(_ENGLISH, link.purposes or _DEFAULT_PURPOSES),
            "channels_it": _named(_ITALIAN, link.channels) or "qualsiasi canale",
            "channels_en": _named(_ENGLISH, link.channels) or "any channel",
        },
    )


def done(accepted: str, receipt: str) -> Response:
    """200: recorded, with the receipt to keep."""
    return _page(200, "Registrato", "done.html", {"accepted": accepted, "receipt": receipt})


def unknown() -> Response:
    """404: whatever is wrong with the link, the same page."""
    return _page(404, "Collegamento non valido", "unknown.html", {})


def later(retry_after_s: int) -> Response:
    """503: the log did not take it; the button tries again."""
    page = _page(503, "Riprovi", "later.html", {})
    page.headers["Retry-After"] = str(retry_after_s)
    return page


def _named(names: Mapping[str, str], symbols: Sequence[str]) -> str:
    return ", ".join(names.get(symbol, symbol) for symbol in symbols)


def _page(status: int, title: str, name: str, values: Mapping[str, str]) -> Response:
    content = _template(name).substitute({key: escape(value) for key, value in values.items()})
    style, policy = _style()
    body = _template("page.html").substitute(title=title, style=style, content=content)
    return Response(body, status, headers={**_HEADERS, "Content-Security-Policy": policy})


#: A link is a secret of its holder: not cached, not indexed, not told to other sites.
_HEADERS: Final[Mapping[str, str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


@cache
def _style() -> tuple[str, str]:
    """The style sheet, and the policy that allows it and nothing else."""
    style = _text("page.css")
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{allowed}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return style, policy


@cache
def _template(name: str) -> Template:
    return Template(_text(name))


def _text(name: str) -> str:
    return resources.files("noli.intake").joinpath("html", name).read_text("utf-8")
