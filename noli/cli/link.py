"""`noli unsubscribe-link`: the URL and the two headers of a mail one can unsubscribe from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from noli.cli import pepper, target
from noli.cli.problem import ProblemError
from noli.cli.stack import endpoints
from noli.domain import contact as contacts
from noli.domain.channel import CHANNEL_BIT, PURPOSE_BIT
from noli.domain.contact import Contact
from noli.intake.links import PATH, POST_HEADER, Link, Links
from noli.runtime.clock import now_ms

app = typer.Typer(add_completion=False)


@app.command()
def unsubscribe_link(
    *,
    controller: Annotated[str, typer.Option(help="Who the person objects to.")],
    email: Annotated[str | None, typer.Option(help="The address the mail goes to.")] = None,
    phone: Annotated[str | None, typer.Option(help="A number instead, e.g. for an SMS.")] = None,
    brand: Annotated[list[str] | None, typer.Option(help="Only this brand.")] = None,
    purpose: Annotated[list[str] | None, typer.Option(help="Only this purpose.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Only this channel.")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Where people reach the intake, https for RFC 8058.")
    ] = None,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Print an unsubscribe URL, and the headers that make it one-click (RFC 8058).

    The contact is sealed in the URL. Without --brand, --purpose or --channel a click objects to
    everything. DKIM must sign both headers.
    """
    found = _contact(email, phone)
    link = Link(
        controller,
        found.kind,
        found.value,
        now_ms(),
        tuple(brand or ()),
        _known("--purpose", purpose, PURPOSE_BIT),
        _known("--channel", channel, CHANNEL_BIT),
    )
    secret = pepper.found(data, target.settings(data))
    url = f"{_base(data, base_url)}{PATH}{Links([secret]).mint(link)}"
    typer.echo(url)
    typer.echo(f"List-Unsubscribe: <{url}>")
    typer.echo(f"List-Unsubscribe-Post: {POST_HEADER}")


def _contact(email: str | None, phone: str | None) -> Contact:
    if (email is None) == (phone is None):
        raise ProblemError("one contact, please", "give --email or --phone")
    kind, value = ("phone", phone) if email is None else ("email", email)
    try:
        return contacts.normalise(kind, value)
    except contacts.Unreadable as error:
        raise ProblemError(f"--{kind} cannot be read", error.remedy) from None


def _known(option: str, named: list[str] | None, known: Mapping[str, int]) -> tuple[str, ...]:
    for symbol in named or ():
        if symbol not in known:
            raise ProblemError(f"{option} {symbol} is not known", f"use one of {' '.join(known)}")
    return tuple(named or ())


def _base(data: Path, option: str | None) -> str:
    local = endpoints.read(data)
    if option is not None:
        base = option
    elif "NOLI_PUBLIC_URL" in os.environ or local is None:
        base = target.settings(data).public_url
    else:
        base = local.intake
    return base.rstrip("/")
