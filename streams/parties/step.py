"""noli.parties: a fact of a person becomes one fact of each linked contact (PARTY; GDPR 21).

Links and facts are kept under keys of their own, so a party of ten thousand contacts costs one
small record per change. Whatever comes first, the same facts are emitted in the end: a link brings
the facts known so far, a fact goes to the links known so far, a repeat has the same `fact_id`.

Whoever is erased is forgotten here too (ERASED; GDPR 17): their links keep the token, to which
denials go on being handed, and what allows no longer is.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from noli import wire
from noli.domain import channel
from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.domain.facts import (
    EVERY_BRAND,
    ConsentWithdrawn,
    ErasureRequested,
    Fact,
    PartyLinked,
    PartyUnlinked,
)
from noli.domain.token import SIZE, token
from noli.runtime.clock import now_ms
from noli.runtime.failpoints import Failpoint, failpoint
from noli.runtime.store import LABEL_SIZE
from schemas.codec import UnreadableError, pack_lead
from schemas.names import GRANTS, OBJECTIONS
from streams import calls, quarantine

if TYPE_CHECKING:
    from noli.domain.token import Pepper
    from noli.runtime.part import Part, Record
    from schemas.codec import Codec

_LINK: Final = b"L"
_FACT: Final = b"F"
_ERASED: Final = b"E"
_RECORD: Final = "noli.PartyEntry"
#: Parties one contact is linked to in a partition: more than anybody has.
_LINKS_MAX: Final = 100_000


class Link(NamedTuple):
    """A contact of a party: when it was last linked and unlinked, ms; 0 is never.

    `contact` None: erased.
    """

    controller: str
    token: bytes
    contact: Contact | None
    linked: int
    unlinked: int

    def takes(self, fact: Fact) -> bool:
        """Whether a fact of the party holds for the contact (`noli.domain.parties.Links.holds`).

        A denial holds for every contact ever linked: unlinking lifts nothing. What allows holds
        only while the latest word is a link, and for nobody who is erased. No controller means all.
        """
        if fact.controller not in {"", self.controller} or not self.linked:
            return False
        return fact.denies or (self.contact is not None and self.linked > self.unlinked)

    def erased(self, at: int) -> Link:
        """The link as it stands after an erasure: only what was said later names the contact."""
        return self if max(self.linked, self.unlinked) > at else self._replace(contact=None)


class Parties:
    """The step of the parties processor."""

    def __init__(self, codec: Codec, pepper: Pepper) -> None:
        self._codec = codec
        self._pepper = pepper

    def opened(self, part: Part) -> None:
        """All is under keys of its own."""

    def process(self, record: Record, part: Part) -> None:
        """One fact, link or unlink of a party."""
        try:
            fact = self._read(record)
        except wire.UNREADABLE as error:
            fact = quarantine.keep(record, part, self._codec, error)
        if record.key is None:
            return  # quarantined above: nobody can say whose it was
        if self._is_of_contact(fact, record.key):
            self._forget(fact, record.key, part)
            return
        party = hashlib.blake2b(record.key, digest_size=16).digest()
        if isinstance(fact.detail, PartyLinked | PartyUnlinked):
            self._relink(fact, party, part)
        else:
            self._spread(fact, party, record, part)

    def restate(self, key: bytes, part: Part) -> None:
        """Write an entry again under our epoch; what it led to was emitted when it was new."""
        stored = part.load(key)
        if stored is not None:
            self._save(key, part, self._codec.decode(stored)[1])

    def rederive(self, key: bytes, part: Part) -> None:
        """Nothing here changes by itself."""
        raise RuntimeError(f"party entry with a moment of its own: {key[:1]!r} in {part.number}")

    def swept(self, label: bytes, part: Part) -> None:
        """Nothing here is swept."""
        raise RuntimeError(f"a sweep of party entries: {label.hex()} in {part.number}")

    def _read(self, record: Record) -> Fact:
        if record.key is None:
            raise UnreadableError("no party in the key")
        fact = wire.read_intent(self._codec, record.value)
        if self._is_of_contact(fact, record.key):
            return fact
        linking = isinstance(fact.detail, PartyLinked | PartyUnlinked)
        if fact.party is None or (linking and fact.contact is None):
            raise UnreadableError("no party, or a link without its contact")
        return fact

    def _is_of_contact(self, fact: Fact, key: bytes) -> bool:
        """Whether it is an erasure that stands here under the contact's token, not a party."""
        return (
            isinstance(fact.detail, ErasureRequested)
            and fact.contact is not None
            and key == token(self._pepper, fact.controller, fact.contact)
        )

    def _relink(self, fact: Fact, party: bytes, part: Part) -> None:
        assert fact.contact is not None  # noqa: S101 - `_read` refuses a link without one
        of = token(self._pepper, fact.controller, fact.contact)
        key = _LINK + party + of
        stored = part.load(key)
        blank = Link(fact.controller, of, None, 0, 0)
        before = blank if stored is None else self._link(key, stored)
        moved = (
            before._replace(linked=max(before.linked, fact.effective))
            if isinstance(fact.detail, PartyLinked)
            else before._replace(unlinked=max(before.unlinked, fact.effective))
        )
        after = moved._replace(contact=fact.contact).erased(self._erased_at(of, part))
        if after == before:
            return
        self._save(key, part, _link_entry(after))
        if isinstance(fact.detail, PartyUnlinked) and after.unlinked >= after.linked:
            self._emit(_withdrawal(fact, after), after, part)
        for stored_fact in part.starting(_FACT + party).values():
            self._hand_on(self._fact(stored_fact), after, part)

    def _spread(self, fact: Fact, party: bytes, record: Record, part: Part) -> None:
        key = _FACT + party + fact.fact_id
        if part.load(key) is not None:
            return
        intent = self._codec.encode("noli.Intent", wire.fact_to_intent(fact))
        self._save(key, part, _fact_entry(fact, intent))
        calls.tell(fact, record, calls.Told(None, now_ms()), part, self._codec)
        for link_key, stored in part.starting(_LINK + party).items():
            self._hand_on(fact, self._link(link_key, stored), part)

    def _hand_on(self, fact: Fact, link: Link, part: Part) -> None:
        if not link.takes(fact):
            return
        self._emit(fact, link, part)
        failpoint(Failpoint.PARTIES_FAN_OUT)
        if isinstance(fact.detail, ErasureRequested):
            self._forget(fact, link.token, part)

    def _forget(self, erasure: Fact, of: bytes, part: Part) -> None:
        """Take an erased contact out of its links, whichever parties they are of."""
        at = erasure.effective
        if at <= self._erased_at(of, part):
            return
        mark = Link(erasure.controller, of, None, linked=at, unlinked=0)
        self._save(_ERASED + of, part, _link_entry(mark))
        linked = {key for key in part.unsaved if key.startswith(_LINK) and key.endswith(of)}
        linked.update(part.store.labelled(_label(of), b"", _LINKS_MAX))
        for key in sorted(linked):
            stored = part.load(key)
            if stored is not None and key.endswith(of):
                self._save(key, part, _link_entry(self._link(key, stored).erased(at)))

    def _erased_at(self, of: bytes, part: Part) -> int:
        key = _ERASED + of
        stored = part.load(key)
        return 0 if stored is None else self._link(key, stored).linked

    def _emit(self, fact: Fact, link: Link, part: Part) -> None:
        """The fact as one of the contact, under an id that a repeat has again."""
        own = replace(
            fact,
            fact_id=hashlib.blake2b(fact.fact_id + link.token, digest_size=16).digest(),
            controller=link.controller,
            contact=link.contact,
        )
        lane = OBJECTIONS if fact.denies else GRANTS
        intent = self._codec.encode("noli.Intent", wire.fact_to_intent(own))
        part.emit_by_key(lane, link.token, intent)

    def _link(self, key: bytes, stored: bytes) -> Link:
        datum = self._codec.decode(stored)[1]
        found = datum["contact"]
        contact = found and Contact(Kind(found["kind"]), found["value"])
        return Link(datum["controller"], key[-SIZE:], contact, datum["linked"], datum["unlinked"])

    def _fact(self, stored: bytes) -> Fact:
        return wire.read_intent(self._codec, self._codec.decode(stored)[1]["intent"])

    def _save(self, key: bytes, part: Part, entry: dict[str, Any]) -> None:
        labels = _label(key[-SIZE:]) if key.startswith(_LINK) else b""
        record = {**entry, "lead": pack_lead(part.epoch, 0), "labels": labels}
        part.save(key, self._codec.encode(_RECORD, record))


def _label(of: bytes) -> bytes:
    """What links are found by whose contact is erased."""
    return hashlib.blake2b(of, digest_size=LABEL_SIZE).digest()


def _link_entry(link: Link) -> dict[str, Any]:
    contact = link.contact
    return {
        "controller": link.controller,
        "contact": contact and {"kind": contact.kind, "value": contact.value},
        "linked": link.linked,
        "unlinked": link.unlinked,
        "intent": None,
    }


def _fact_entry(fact: Fact, intent: bytes) -> dict[str, Any]:
    return {
        "controller": fact.controller,
        "contact": None,
        "linked": 0,
        "unlinked": 0,
        "intent": intent,
    }


def _withdrawal(unlink: Fact, link: Link) -> Fact:
    """What an unlinked contact was allowed through its party it is allowed no longer.

    The contact's own consents fall too: nobody can say any more whose they are. A new consent of
    the contact lifts it. Stricter than `noli decide`, which only drops what the party gave.
    """
    return replace(
        unlink,
        time=link.unlinked,
        brands=(EVERY_BRAND,),
        detail=ConsentWithdrawn(channel.ALL_PURPOSES, channel.ALL_CHANNELS),
    )
