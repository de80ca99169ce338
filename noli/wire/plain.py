"""An intent's bytes taken apart without decoding them: what names somebody, and what does not.

Only plain ones: about a contact, every text short ASCII and not empty, as nearly all are. Whoever
is not sure gets None, and decodes. What is cut out is read in full; what stays is compared whole
with that of an intent that was decoded, so nothing goes unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from noli.domain.rules.register import ITALY

_FACT_ID: Final = 16
#: Bytes of a long between July 1970 and 2039, in ms.
_TIME: Final = 6
#: In the byte before a short text: bits of a longer one, or of a negative length.
_NOT_SHORT: Final = 0x81
_ABSENT, _PRESENT = 0, 2
#: A party of none, one brand `*`: nearly every fact has these.
_NOBODY_EVERY_BRAND: Final = b"\x00\x02\x02*\x00"
_NUMBER: Final = ITALY.encode()


#: The first byte of an event is twice its place among the contract's events (a test compares them).
CODES: Final[Mapping[str, int]] = {
    "ConsentGiven": 0,
    "ConsentConfirmed": 2,
    "SoftOptInRecorded": 8,
    "ContactCollected": 12,
    "ContractStarted": 24,
    "ContractEnded": 26,
    "CallSilent": 28,
    "CallAttended": 30,
}
_CONSENT: Final = CODES["ConsentGiven"]
#: Events that begin with their text.
_FIRST: Final = frozenset(
    CODES[n] for n in ("ConsentConfirmed", "ContractStarted", "ContractEnded")
)
#: Calls are told to whoever counts them, which takes them whole.
_CALLS: Final = frozenset(CODES[n] for n in ("CallSilent", "CallAttended"))
#: Events with a text or none, and how many bytes stand before it.
_MAYBE: Final = {CODES["SoftOptInRecorded"]: 0, CODES["ContactCollected"]: 1}


class _NotPlain(Exception):
    """Something here must be decoded."""


class Plain(NamedTuple):
    """The parts of an intent's body, in order; texts with the length before them.

    `head`: controller and kind. `scope`: party (none), brands, source. `said` and `rest`: the
    event before and after its own `text`, an id or a proof that is the sender's (b"" for none).
    """

    fact_id: bytes
    origin: bytes
    time: bytes
    accepted: bytes
    head: bytes
    value: bytes
    scope: bytes
    evidence: bytes
    said: bytes
    text: bytes
    rest: bytes

    @property
    def shape(self) -> tuple[object, ...]:
        """All that a verdict may depend on but moments: equal for contacts treated alike.

        Of a contact's value the law asks one thing, whether the number is Italian; of an evidence,
        whether there is any.
        """
        return (
            self.head,
            self.scope,
            self.said,
            self.rest,
            self.italian,
            self.proven,
        )

    @property
    def italian(self) -> bool:
        """Whether the value is that of an Italian number."""
        return self.value.startswith(_NUMBER, 1)

    @property
    def proven(self) -> bool:
        """Whether an evidence is named."""
        return len(self.evidence) > 1

    def body(self) -> bytes:
        """The whole again."""
        return b"".join(self)


def plain(body: bytes) -> Plain | None:
    """The parts of an intent without its wire header, under our own schema; None where unsure."""
    try:
        return _parts(body)
    except (_NotPlain, IndexError):
        return None


def _parts(body: bytes) -> Plain:
    time = _after(body, _after(body, _FACT_ID))
    head = time + 2 * _TIME
    value = _after(body, head) + 2
    scope = _after(body, value)
    evidence = _scoped(body, scope)
    event = _optional(body, evidence)
    text = _text_at(body, event)
    rest = text and _after(body, text)
    if body[value - 2] != _PRESENT or rest > len(body):
        raise _NotPlain
    if not rest:
        text = rest = len(body)
    found = Plain(
        body[:_FACT_ID],
        body[_FACT_ID:time],
        body[time : time + _TIME],
        body[time + _TIME : head],
        body[head:value],
        body[value:scope],
        body[scope:evidence],
        body[evidence:event],
        body[event:text],
        body[text:rest],
        body[rest:],
    )
    if not (
        found.origin.isascii()
        and found.value.isascii()
        and found.evidence.isascii()
        and found.text.isascii()
    ):
        raise _NotPlain
    return found


def _after(body: bytes, at: int) -> int:
    """The place behind a short text, which is not empty."""
    size = body[at]
    if not size or size & _NOT_SHORT:
        raise _NotPlain
    return at + 1 + (size >> 1)


def _optional(body: bytes, at: int) -> int:
    """The place behind a short text or none."""
    which = body[at]
    if which == _ABSENT:
        return at + 1
    if which != _PRESENT:
        raise _NotPlain
    return _after(body, at + 1)


def _scoped(body: bytes, at: int) -> int:
    """The place behind party, brands and source."""
    if body.startswith(_NOBODY_EVERY_BRAND, at):
        return _optional(body, at + len(_NOBODY_EVERY_BRAND))
    if body[at] != _ABSENT:
        raise _NotPlain
    at += 1
    while body[at]:
        at = _block(body, at)
    return _optional(body, at + 1)


def _block(body: bytes, at: int) -> int:
    """The place behind a block of short texts."""
    count = body[at]
    if count & _NOT_SHORT:
        raise _NotPlain
    at += 1
    for _ in range(count >> 1):
        at = _after(body, at)
    return at


def _text_at(body: bytes, event: int) -> int:
    """Where the event's own text begins, its length first; 0 where it has none."""
    kind = body[event]
    if kind in _FIRST:
        return event + 1
    if kind in _MAYBE:
        at = event + 1 + _MAYBE[kind]
    elif kind == _CONSENT:
        at = _symbols(body, event + 2)
    elif kind in _CALLS:
        raise _NotPlain
    else:
        return 0
    return at + 1 if body[at] == _PRESENT else 0


def _symbols(body: bytes, at: int) -> int:
    """The place behind a list of symbols, each of one byte."""
    while body[at]:
        count = body[at]
        if count & _NOT_SHORT:
            raise _NotPlain
        at += 1 + (count >> 1)
    return at + 1
