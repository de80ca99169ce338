"""`SinkContract`: what every sink must do, whatever it writes to. Run it on yours.

Give it a `Peer`, the real target of the sink as seen from its own side, and run each expectation:

    @pytest.mark.parametrize("expectation", SinkContract.expectations())
    async def test_sink_keeps_the_contract(expectation, peer):
        await SinkContract(peer).check(expectation)

A failed expectation raises `AssertionError` and says what was expected.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol, TypeVar

from connectors.protocol import (
    Applied,
    Change,
    Contact,
    Held,
    Reject,
    Result,
    Retry,
    Sink,
    Subject,
    Verdict,
)
from noli.domain.channel import Kind

#: Tuesday 2026-11-24 09:00 UTC, ms.
NOW_MS: Final = 1_795_510_800_000
#: A sink under test is told to give up after this long, in seconds: never, on the slowest machine.
PATIENCE_S: Final = 20.0
#: And where it must give up, after this long.
IMPATIENCE_S: Final = 1.0

Pair = tuple[str, str, str]
CALLS: Final[Pair] = ("operator_call", "marketing", "*")
TEXTS: Final[Pair] = ("sms", "marketing", "*")
MAILS: Final[Pair] = ("email", "marketing", "*")
#: What no target of the contract covers: an allowance of it must open nothing else.
ELSEWHERE: Final[Pair] = ("post", "relationship", "*")

_numbers = itertools.count(1)
_T = TypeVar("_T")


class Peer(Protocol):
    """The target, beside the sink: an empty one for each test."""

    #: What must never be seen in a repr, an error or a problem.
    secrets: Sequence[str]
    #: What the target tells apart: (`CALLS`, `TEXTS`), or the one pair a coarse target covers.
    pairs: Sequence[Pair]

    def contact(self, number: int) -> Contact:
        """A contact of the kind the target knows, another for each number: `phone` or `email`."""

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A new sink of this target that gives up after `patience_s`; or one that finds nobody.

        Where the target holds no versions, with its ledger: `connectors.ledger.fenced`, the same
        file for every sink of this peer.
        """

    async def allow(self, token: str) -> None:
        """Somebody there allows the contact's first pair behind our back; its version stays.

        Never called where nothing can be read back.
        """

    async def held(self, token: str) -> Held | None:
        """What the target itself holds of that contact, asked without the sink."""

    def poisoned(self, change: Change) -> Change:
        """A change as the target cannot take it, alone or in a batch."""

    def stalled(self) -> AbstractAsyncContextManager[None]:
        """While entered, the target takes connections and does not answer."""


def phone(number: int) -> Contact:
    """A mobile number of Italy."""
    return Contact(Kind.PHONE, f"+39333{number:07d}")


def email(number: int) -> Contact:
    """An address."""
    return Contact(Kind.EMAIL, f"person-{number}@example.it")


def number_of(token: str) -> int:
    """Which contact of the peer a token of the contract belongs to."""
    return int(token.removeprefix("01"), 16)


def new_token() -> str:
    """A token no other change has."""
    return f"01{next(_numbers):032x}"


def a_verdict(
    pair: tuple[str, str, str] = CALLS, *, allowed: bool = False, until: int | None = None
) -> Verdict:
    """A verdict for a pair."""
    return Verdict(*pair, allowed=allowed, reasons=() if allowed else ("OBJECTED",), until=until)


def a_change(
    token: str | None = None,
    version: int = 1,
    *verdicts: Verdict,
    contact: Contact | None = Contact(Kind.PHONE, "+393331234567"),  # noqa: B008 - immutable
) -> Change:
    """A change of one contact; without verdicts, its calls are denied."""
    return Change(
        token=token or new_token(),
        contact=contact,
        controller="acme",
        version=version,
        accepted=NOW_MS,
        partition=0,
        offset=version,
        verdicts=verdicts or (a_verdict(),),
        as_of=NOW_MS,
    )


class SinkContract:
    """The expectations; each uses sinks of its own on the same peer."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._first, *self._others = peer.pairs

    @classmethod
    def expectations(cls) -> list[str]:
        """Names of all expectations."""
        return [name for name in vars(cls) if name.startswith("it_")]

    async def check(self, expectation: str) -> None:
        """Raise `AssertionError` unless the sink does what is expected."""
        await getattr(self, expectation)()

    async def it_finds_nothing_wrong_with_a_good_target(self) -> None:
        """`check` of a target that works is empty."""
        sink = self._peer.sink()
        _expect(await _closing(sink, sink.check()), [], "problems of a good target")

    async def it_names_what_is_wrong(self) -> None:
        """`check` of a target that cannot be reached says so, and what to do."""
        sink = self._peer.sink(reachable=False)
        problems = await _closing(sink, sink.check())
        assert problems, "check() found nothing wrong with a target that is not there"  # noqa: S101
        assert all(p.what and p.remedy for p in problems), "a problem without remedy"  # noqa: S101

    async def it_applies(self) -> None:
        """What was confirmed stands in the target."""
        others = [a_verdict(pair, allowed=True) for pair in self._others]
        change = self._change(None, 1, a_verdict(self._first), *others)
        await self._apply(change)
        allowed = dict.fromkeys(self._others, True)
        await self._holds(change.token, 1, {self._first: False, **allowed})

    async def it_opens_nothing_it_was_not_told_to(self) -> None:
        """An allowance of a pair the target does not serve opens no pair it serves."""
        allowed, served = a_verdict(ELSEWHERE, allowed=True), a_verdict(self._first)
        change = self._change(None, 1, served, allowed)
        await self._apply(change)
        held = await self._peer.held(change.token)
        _expect(
            held and held.allowed, {**(held.allowed if held else {}), self._first: False}, "held"
        )

    async def it_mends_what_others_changed(self) -> None:
        """The same version again puts right what somebody at the target allowed meanwhile."""
        if self._peer.sink().traits.read_back == "none":
            return
        change = self._change(None, 4, a_verdict(self._first))
        await self._apply(change)
        await self._peer.allow(change.token)
        await self._holds(change.token, 4, {self._first: True})
        await self._apply(change)
        await self._holds(change.token, 4, {self._first: False})

    async def it_applies_a_whole_batch(self) -> None:
        """As many changes as the sink's traits promise go in at once."""
        changes = [self._change() for _ in range(self._peer.sink().traits.batch)]
        await self._apply(*changes)
        for change in (changes[0], changes[-1]):
            await self._holds(change.token, 1, {self._first: False})

    async def it_may_be_repeated(self) -> None:
        """The same batch again, by another sink, changes nothing and is confirmed again."""
        change = self._change(None, 3, a_verdict(self._first, allowed=True))
        await self._apply(change)
        await self._apply(change)
        await self._holds(change.token, 3, {self._first: True})

    async def it_keeps_the_order_of_a_contact(self) -> None:
        """Of a row of changes of one contact, the last one stands."""
        token = new_token()
        for version in range(1, 6):
            verdict = a_verdict(self._first, allowed=version % 2 == 0)
            await self._apply(self._change(token, version, verdict))
        await self._holds(token, 5, {self._first: False})

    async def it_keeps_the_newer_version(self) -> None:
        """An older change, late or repeated, is confirmed and has no effect, new pairs included."""
        token = new_token()
        await self._apply(self._change(token, 7, a_verdict(self._first)))
        late = self._change(token, 6, *(a_verdict(p, allowed=True) for p in self._peer.pairs))
        await self._apply(late)
        held = await self._peer.held(token)
        _expect(held and (held.version, any(held.allowed.values())), (7, False), "after a late one")

    async def it_undoes(self) -> None:
        """A newer allowance lifts a denial."""
        token = new_token()
        await self._apply(self._change(token, 1, a_verdict(self._first)))
        await self._apply(self._change(token, 2, a_verdict(self._first, allowed=True)))
        await self._holds(token, 2, {self._first: True})

    async def it_denies_what_is_no_longer_stated(self) -> None:
        """A pair that a newer change does not state is not allowed any more."""
        token, gone = new_token(), self._peer.pairs[-1]
        every = [a_verdict(pair, allowed=True) for pair in self._peer.pairs]
        left = every[:-1] or [a_verdict(ELSEWHERE, allowed=True)]
        await self._apply(self._change(token, 1, *every))
        await self._apply(self._change(token, 2, *left))
        held = await self._peer.held(token)
        assert held is not None, "the target forgot the contact"  # noqa: S101
        still = dict.fromkeys(self._peer.pairs[:-1], True)
        _expect(
            {**held.allowed, gone: held.allowed.get(gone, False)}, {**still, gone: False}, "held"
        )

    async def it_denies_a_contact_it_can_no_longer_name(self) -> None:
        """An erased contact, found by its token, is denied; or the traits say it needs the name."""
        token = new_token()
        if self._peer.sink().traits.needs_contact:
            return
        await self._apply(self._change(token, 1, a_verdict(self._first, allowed=True)))
        await self._apply(self._change(token, 2, a_verdict(self._first), erased=True))
        await self._holds(token, 2, {self._first: False})

    async def it_takes_a_contact_it_never_knew(self) -> None:
        """An erased contact nobody told it of is no error."""
        if self._peer.sink().traits.needs_contact:
            return
        change = self._change(erased=True)
        await self._apply(change)
        held = await self._peer.held(change.token)
        assert held is None or not any(held.allowed.values()), "it is allowed"  # noqa: S101

    async def it_does_not_confirm_what_the_target_refused(self) -> None:
        """One bad change of a batch is not confirmed; the others are, at the latest without it."""
        good, bad = self._change(), self._peer.poisoned(self._change())
        answers = await self._answers([good, bad])
        assert not isinstance(answers[1], Applied), "the bad change was confirmed"  # noqa: S101
        if not isinstance(answers[0], Applied):
            await self._apply(good)
        await self._holds(good.token, 1, {self._first: False})
        alone = await self._answers([bad])
        assert not isinstance(alone[0], Applied), "the bad change was confirmed alone"  # noqa: S101

    async def it_asks_for_a_repetition_when_nobody_is_there(self) -> None:
        """A target that cannot be reached is a `Retry`."""
        sink = self._peer.sink(reachable=False)
        _expect(type(await _outcome(sink, [self._change()])), Retry, "an absent target")

    async def it_asks_for_a_repetition_when_nobody_answers(self) -> None:
        """A target that hangs is a `Retry`, and the sink works again afterwards."""
        sink, change = self._peer.sink(patience_s=IMPATIENCE_S), self._change()
        try:
            async with self._peer.stalled():
                _expect(await _raised(sink, [change]), Retry, "a target that hangs")
            _expect(list(await sink.apply([change])), [Applied()], "once it answers again")
        finally:
            await sink.aclose()
        await self._holds(change.token, 1, {self._first: False})

    async def it_reads_back_what_it_applied(self) -> None:
        """With exact read-back, the sink says of each contact what the target holds."""
        sink = self._peer.sink()
        known, unknown = self._change(None, 4, a_verdict(self._first, allowed=True)), new_token()
        subjects = [Subject(known.token, known.contact), Subject(unknown, None)]
        try:
            await sink.apply([known])
            found = await sink.read_back(subjects)
        finally:
            await sink.aclose()
        if sink.traits.read_back == "exact":
            _expect(found.keys(), {known.token}, "contacts read back")
            _expect(found[known.token], await self._peer.held(known.token), "what is held")

    async def it_keeps_its_secrets(self) -> None:
        """No secret in a repr, a problem, or what an error says, whatever goes wrong."""
        for reachable in (True, False):
            sink = self._peer.sink(reachable=reachable)
            said = [repr(sink), repr(vars(sink)), repr(await sink.check())]
            said.append(repr(await _outcome(sink, [self._peer.poisoned(self._change())])))
            said.append(repr(vars(sink)))
            leaked = [s for s in self._peer.secrets for text in said if s in text]
            _expect(len(leaked), 0, "places that show a secret")

    def _change(
        self, token: str | None = None, version: int = 1, *verdicts: Verdict, erased: bool = False
    ) -> Change:
        """A change of a contact of the peer's kind; without verdicts, its first pair is denied."""
        token = token or new_token()
        contact = None if erased else self._peer.contact(number_of(token))
        return a_change(token, version, *verdicts or [a_verdict(self._first)], contact=contact)

    async def _apply(self, *changes: Change) -> None:
        answers = await self._answers(list(changes))
        _expect([type(answer) for answer in answers], [Applied] * len(changes), "answers")

    async def _answers(self, changes: list[Change]) -> Sequence[Result]:
        outcome = await _outcome(self._peer.sink(), changes)
        return [outcome] * len(changes) if isinstance(outcome, Retry | Reject) else outcome

    async def _holds(
        self, token: str, version: int, allowed: dict[tuple[str, str, str], bool]
    ) -> None:
        held = await self._peer.held(token)
        _expect(held and held._replace(allowed=dict(held.allowed)), Held(version, allowed), "held")


async def _outcome(sink: Sink, changes: list[Change]) -> Sequence[Result] | Retry | Reject:
    """What one `apply` came to."""
    try:
        return await _closing(sink, sink.apply(changes))
    except (Retry, Reject) as error:
        return error


async def _raised(sink: Sink, changes: list[Change]) -> type[BaseException] | None:
    try:
        await sink.apply(changes)
    except (Retry, Reject) as error:
        return type(error)
    return None


async def _closing(sink: Sink, doing: Awaitable[_T]) -> _T:
    try:
        return await doing
    finally:
        await sink.aclose()


def _expect(found: object, expected: object, what: str) -> None:
    assert found == expected, f"{what}: expected {expected!r}, found {found!r}"  # noqa: S101
