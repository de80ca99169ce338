"""The last-moment check: may this contact be reached, on this channel, for this purpose, now?

    with Gate.open("/var/lib/noli/replica", pepper=pepper) as gate:
        if gate.check("acme", ("phone", "+39 333 1234567"), "operator_call", "marketing").allowed:
            dial()

The gate opens on a recorded verdict only. An unknown contact, a copy that is older than its lease,
missing, damaged or another's, and any failure of our own are denied, counted and logged: a check
never raises. Source: law.md, "Anything unknown, unreadable, stale or in error answers D".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from noli.domain.channel import Kind
from noli.domain.contact import Contact, Unreadable, normalise
from noli.domain.question import Question
from noli.domain.token import Pepper, token, tokens
from noli.replica.bars import DOUBT, Bars, Called
from noli.replica.encoding import Damaged, until_of
from noli.replica.head import Head, Refused, pepper_check
from noli.replica.reader import Found, Reader
from noli.replica.shape import Ruling, Shape
from noli.runtime import pepper as peppers
from noli.runtime import settings
from noli.runtime.clock import now_ms, steady
from noli.runtime.logging import get_logger
from noli.runtime.metrics import checks

log = get_logger()

#: Age of the copy beyond which nothing is allowed, in seconds (blueprint: freshness lease).
LEASE_S: Final = 30.0

_MS_PER_S: Final = 1000

#: A dialer asks thousands of times a second: at most one line of trouble in this many seconds.
_LOG_EVERY_S: Final = 1.0

#: Channel, purpose, brand and product of a question, and the same with its moment.
Asked = tuple[str, str, str | None, str | None]
_Asked = tuple[str, str, str | None, str | None, int | None]

#: The place of the campaign in a question.
_CAMPAIGN: Final = 7

_STALE: Final = ("STALE_REPLICA",)
_NO_BASIS: Final = ("NO_BASIS",)
_UNREADABLE: Final = ("QUARANTINED",)


class Answer(NamedTuple):
    """`until` and `as_of` in milliseconds since the epoch; `as_of` None where there is no copy.

    `reasons` are the codes of law.md. A contact that cannot be normalised is QUARANTINED, as an
    objection of it would be; a copy that cannot be trusted is STALE_REPLICA, whatever is wrong.
    """

    allowed: bool
    basis: str | None
    reasons: tuple[str, ...]
    conditions: tuple[str, ...]
    until: int | None
    as_of: int | None


class Status(NamedTuple):
    """Whether the copy can be answered from, and if not, why. `contacts` None where unknown."""

    fresh: bool
    reason: str
    as_of: int | None
    contacts: int | None


class Gate:
    """Answers from the copy in a directory. Safe for threads, survives rebuilds and forks."""

    def __init__(self, copy: Path, pepper: Pepper, lease_s: float) -> None:
        self._pepper = pepper
        self._lease_ms = int(lease_s * _MS_PER_S)
        self._reader = Reader(copy, pepper.version, pepper_check(pepper.secret))
        self._log_at = 0.0
        self._bars = Bars(self._reader.ratios, self._fresh, self._report)
        #: Answers that were STALE_REPLICA since the start: each may be a call not made.
        self.stale_answers = 0

    @classmethod
    def open(
        cls, path: str | Path, *, pepper: Pepper | None = None, lease_seconds: float = LEASE_S
    ) -> Self:
        """A gate over the copy at `path`, which may not be there yet: until it is, all is denied.

        One gate per copy and process. Without `pepper`, that of the environment (NOLI_PEPPER).
        Raises ValueError for a lease that is not above zero, and where there is no pepper.
        """
        if lease_seconds <= 0:
            raise ValueError("lease_seconds: use a number of seconds above 0")
        return cls(Path(path), pepper or peppers.pepper(settings.load()), lease_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the copy; later checks are denied."""
        self._reader.close()

    def check(  # noqa: PLR0913 - the fields of a question
        self,
        controller: str,
        contact: Contact | tuple[str, str],
        channel: str,
        purpose: str,
        brand: str | None = None,
        product: str | None = None,
        *,
        campaign: str | None = None,
    ) -> Answer:
        """The answer to one question, now. Never raises.

        A call of a `campaign` over its ratio of silent calls is denied, and so is one of a campaign
        of which the copy knows nothing fresh. Other channels are not asked for their campaign.
        """
        try:
            now = now_ms()
            identity = self._identify(controller, contact)
            moment, items = self._reader.fetch(() if identity is None else (identity[1],))
            if not self._fresh(moment, now):
                return self._stale(moment, 1)
            if identity is None:
                answer = _denied(_UNREADABLE, moment)
            else:
                asked = (channel, purpose, brand, product, None)
                answer = self._one(identity[0], items[0], asked, (moment, now))
            if campaign:
                return self._barred([answer], [(controller, channel, campaign)], now)[0]
            (checks.ALLOWED if answer.allowed else checks.SUPPRESSED).inc()
            return answer
        except Exception as error:  # noqa: BLE001 - whatever it is, the gate stays shut
            return self._shut(error, 1)

    def check_many(self, questions: Sequence[Question]) -> list[Answer]:
        """Answers in order, all from one look at the copy. Never raises."""
        try:
            return self._answers(questions)
        except Exception as error:  # noqa: BLE001 - as above
            return [self._shut(error, len(questions))] * len(questions)

    def check_list(
        self,
        controller: str,
        contacts: Sequence[Contact],
        asked: Asked,
        campaign: str | None = None,
    ) -> list[Answer]:
        """One question about many contacts, in order, from one look at the copy. Never raises."""
        try:
            return self._listed(controller, contacts, asked, campaign)
        except Exception as error:  # noqa: BLE001 - as above
            return [self._shut(error, len(contacts))] * len(contacts)

    def head(self) -> Head:
        """What the copy is of and how far it is. Raises `Refused` where none can be used."""
        return self._reader.generation()[1]

    def generation(self) -> tuple[str, Head]:
        """The name of the copy that answers now, and its head. Raises `Refused`."""
        return self._reader.generation()

    def campaigns_as_of(self) -> int | None:
        """Every call taken before it is counted (ms); None where the copy does not know."""
        try:
            return self._bars.as_of()
        except Refused:
            return None

    def status(self) -> Status:
        """How the copy is, for readiness."""
        try:
            moment, _ = self._reader.fetch(())
            contacts = self._reader.contacts()
        except Refused as refusal:
            return Status(fresh=False, reason=str(refusal), as_of=None, contacts=None)
        fresh = self._fresh(moment, now_ms())
        return Status(fresh, "" if fresh else "older than its lease", moment, contacts)

    def _answers(self, questions: Sequence[Question]) -> list[Answer]:
        now = now_ms()
        asked = [self._identify(each.controller, each.contact) for each in questions]
        moment, found = self._reader.fetch([each[1] for each in asked if each is not None])
        if not self._fresh(moment, now):
            return [self._stale(moment, len(questions))] * len(questions)
        items = iter(found)
        answers = [
            _denied(_UNREADABLE, moment)
            if identity is None
            else self._one(identity[0], next(items), question[2:_CAMPAIGN], (moment, now))
            for question, identity in zip(questions, asked, strict=True)
        ]
        if any(question[_CAMPAIGN] for question in questions):
            called = [(each.controller, each.channel, each.campaign) for each in questions]
            return self._barred(answers, called, now)
        _counted(answers)
        return answers

    def _listed(
        self,
        controller: str,
        contacts: Sequence[Contact],
        asked: Asked,
        campaign: str | None,
    ) -> list[Answer]:
        now = now_ms()
        moment, found = self._reader.fetch(tokens(self._pepper, controller, contacts))
        if not self._fresh(moment, now):
            return [self._stale(moment, len(contacts))] * len(contacts)
        unknown = _denied(_NO_BASIS, moment)
        # Contacts that share a shape without a time of its own share the answer too.
        shared: dict[tuple[Shape, Kind], Answer] = {}
        answers = []
        for contact, item in zip(contacts, found, strict=True):
            if item is None:
                answers.append(unknown)
                continue
            key = (item[0], contact.kind) if isinstance(item, tuple) else None
            answer = shared.get(key) if key else None
            if answer is None:
                answer = self._one(contact, item, (*asked, None), (moment, now))
                if key and key[0].ruling(contact.kind, *asked).until is None:
                    shared[key] = answer
            answers.append(answer)
        if campaign:
            return self._barred(answers, [(controller, asked[0], campaign)] * len(answers), now)
        _counted(answers)
        return answers

    def _barred(self, answers: list[Answer], called: Sequence[Called], now: int) -> list[Answer]:
        """Answers after what bars the campaigns named; counted."""
        done = self._bars.applied(answers, called, now)
        doubts = sum(
            DOUBT in after.reasons and DOUBT not in before.reasons
            for before, after in zip(answers, done, strict=True)
        )
        if doubts:
            self.stale_answers += doubts
            checks.STALE.inc(doubts)
        _counted(done, doubts)
        return done

    def _stale(self, moment: int | None, count: int) -> Answer:
        self.stale_answers += count
        checks.STALE.inc(count)
        self._report("gate.stale", "the copy is older than its lease")
        return _denied(_STALE, moment)

    def _shut(self, error: Exception, count: int) -> Answer:
        """A failure: no copy that can be used, or a bug of ours. Its text may hold a contact."""
        self.stale_answers += count
        refused = isinstance(error, Refused)
        (checks.UNUSABLE if refused else checks.ERROR).inc(count)
        self._report(
            "gate.unusable" if refused else "gate.error",
            str(error) if refused else type(error).__name__,
        )
        return _denied(_STALE, None)

    def _identify(
        self, controller: str, given: Contact | tuple[str, str]
    ) -> tuple[Contact, bytes] | None:
        """The contact, normalised, and its token; None where it cannot be read."""
        try:
            contact = given if isinstance(given, Contact) else normalise(*given)
            return contact, token(self._pepper, controller, contact)
        except Unreadable:
            return None
        except (TypeError, ValueError) as error:  # not a pair, not a text that UTF-8 can hold
            self._report("gate.question", type(error).__name__)
            return None

    def _one(
        self,
        contact: Contact,
        item: Found | Damaged | None,
        asked: _Asked,
        moments: tuple[int | None, int],
    ) -> Answer:
        if item is None:
            return _denied(_NO_BASIS, moments[0])
        try:
            if isinstance(item, Damaged):
                raise item
            shape, value = item
            channel, purpose, brand, product, at = asked
            ruling = shape.ruling(contact.kind, channel, purpose, brand, product)
            until = None if ruling.until is None else until_of(value, ruling.until)
        except Damaged as damage:
            self._report("gate.damaged", str(damage))
            self.stale_answers += 1
            checks.ERROR.inc()
            return _denied(_STALE, moments[0])
        return _ruled(ruling, until, at, moments)

    def _fresh(self, moment: int | None, now: int) -> bool:
        # A copy from the future means that one of the clocks is wrong: no lease can be told.
        return moment is not None and abs(now - moment) <= self._lease_ms

    def _report(self, event: str, reason: str) -> None:
        if steady() >= self._log_at:
            self._log_at = steady() + _LOG_EVERY_S
            log.error(event, reason=reason)


def _counted(answers: Sequence[Answer], doubts: int = 0) -> None:
    """Count answers; `doubts` of them are counted already."""
    allowed = sum([answer.allowed for answer in answers])
    checks.ALLOWED.inc(allowed)
    checks.SUPPRESSED.inc(len(answers) - allowed - doubts)


def _ruled(
    ruling: Ruling, until: int | None, at: int | None, moments: tuple[int | None, int]
) -> Answer:
    """A ruling at a moment: now, or a later one that was asked for."""
    moment, now = moments
    if until is not None and (now if at is None else max(now, at)) > until:
        verdict = ruling.then
        until = None if verdict.until is None else until
    else:
        verdict = ruling.now
    return Answer(
        verdict.allowed, verdict.basis, verdict.reasons, verdict.conditions, until, moment
    )


def _denied(reasons: tuple[str, ...], moment: int | None) -> Answer:
    return Answer(
        allowed=False, basis=None, reasons=reasons, conditions=(), until=None, as_of=moment
    )
