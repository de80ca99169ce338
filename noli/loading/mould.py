"""Intents of lines that are alike but for a few texts: learnt from the events' own way, then cast.

An event's canonical JSON, of which its id is made, and its record differ from those of its like in
the bytes of these texts and nowhere else. A mould is learnt from an event that nobody sent, and
used only if it gives what the long way gives, byte for byte, for another such event and for a real
one. Whatever is not plain goes the long way, which knows every refusal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from noli.domain import events
from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.domain.facts import Fact
from noli.domain.token import Pepper, Tokens
from noli.loading.loader import item_of, suited
from noli.runtime.chunks import Item
from schemas.codec import Codec
from schemas.template import Template, long_bytes

#: Bytes of a text whose length Avro writes in one byte; every field takes longer ones.
PLAIN_MAX: Final = 63
#: What JSON writes as it stands.
_PLAIN: Final = re.compile(rf"[ !#-\[\]-~]{{1,{PLAIN_MAX}}}", re.ASCII)
#: Contacts that nobody is, of two lengths.
_NOBODY: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.PHONE: ("+393330000000", "+39061234567"),
    Kind.EMAIL: ("nobody@example.com", "no.one.at.all@example.org"),
    Kind.POSTAL: ("nowhere 1", "at no place at all 22"),
}
_TIMES: Final = ("1987-01-02T03:04:05Z", "1999-12-31T21:22:23Z")
#: Moments of acceptance of the learnt events, ms; no other number in them comes near.
_ACCEPTED: Final = (987_654_321_012, 1_012_345_678_901)


class Blanks(NamedTuple):
    """What differs between lines of one form, all plain.

    `time`: RFC 3339, or None where the line says none. `own`: other texts, in a fixed order.
    """

    id: str
    contact: str
    time: str | None
    own: Sequence[str] = ()


#: The event of a form, its blanks filled.
Fill = Callable[[Blanks], Mapping[str, Any]]


def plain(text: str) -> bool:
    """Whether a text may stand in a blank."""
    return _PLAIN.fullmatch(text) is not None


class Mould:
    """One form. `kind` is that of its contacts."""

    __slots__ = ("_canonical", "_intent", "_tokens", "kind")

    def __init__(
        self, canonical: Template, intent: Template, fact: Fact, kind: Kind, pepper: Pepper
    ) -> None:
        self._canonical = canonical
        self._intent = intent
        self._tokens = Tokens(pepper, fact.controller, kind)
        self.kind = kind

    def cast(self, blanks: Blanks, contact: Contact, time: bytes, accepted: bytes) -> Item:
        """Key and bytes of an event; `time` and `accepted` as Avro longs.

        `contact` is that of the blanks, normalised, and plain; `time` is `accepted` where they
        say none.
        """
        texts = _texts(blanks)
        fact_id = events.named(self._canonical.filled(texts))
        value = contact.value.encode()
        own = map(_short, texts[_FIXED:])
        holes = (fact_id, _short(texts[0]), time, accepted, _short(value), *own)
        return Item(self._tokens.of(value), self._intent.filled(holes))


def learnt(codec: Codec, pepper: Pepper, kind: Kind, fill: Fill, real: Blanks) -> Mould | None:
    """The mould of a form with these blanks; None where there is none that can be trusted.

    Raises as `noli.domain.events.parse` and `suited` do, where no event of the form is taken.
    """
    first, second = (_nobody(kind, number, real) for number in range(2))
    fact = suited(events.parse(fill(first), _ACCEPTED[0]))
    if fact.contact is None or fact.contact.kind is not kind:
        return None
    value = _short(fact.contact.value.encode())
    texts = _texts(first)
    longs = long_bytes(fact.time), long_bytes(fact.accepted)
    own = map(_short, texts[_FIXED:])
    try:
        mould = Mould(
            Template(events.canonical(fill(first)), texts),
            Template(
                item_of(codec, pepper, fact).value,
                (fact.fact_id, _short(texts[0]), *longs, value, *own),
            ),
            fact,
            kind,
            pepper,
        )
    except ValueError:
        return None
    proofs = ((second, _ACCEPTED[1]), (real, _ACCEPTED[0]))
    return mould if all(_true(mould, codec, pepper, fill, proof) for proof in proofs) else None


#: Texts of the envelope in `_texts`.
_FIXED: Final = 3


def _texts(blanks: Blanks) -> list[bytes]:
    name, contact, time, own = blanks
    texts = [name.encode(), contact.encode(), time.encode() if time else b""]
    if own:
        texts += [text.encode() for text in own]
    return texts


def _short(text: bytes) -> bytes:
    """An Avro string of at most 63 bytes."""
    return b"%c%b" % (len(text) << 1, text)


def _nobody(kind: Kind, number: int, like: Blanks) -> Blanks:
    """What nobody sent, with the blanks of a real line; each text once, and of another length."""
    return Blanks(
        f"mould-id{'-' * number}-{number}",
        _NOBODY[kind][number],
        like.time and _TIMES[number],
        [f"mould-own{'-' * number}-{place}" for place in range(len(like.own))],
    )


def _true(
    mould: Mould, codec: Codec, pepper: Pepper, fill: Fill, proof: tuple[Blanks, int]
) -> bool:
    """Whether a mould casts what the long way writes."""
    blanks, accepted = proof
    fact = suited(events.parse(fill(blanks), accepted))
    if fact.contact is None or not plain(fact.contact.value):
        return False
    cast = mould.cast(blanks, fact.contact, long_bytes(fact.time), long_bytes(fact.accepted))
    return cast == item_of(codec, pepper, fact)
