"""EVIDENCE: when the verdicts about a contact changed, by which fact or by themselves.

Pure. What was known when, folded as the processor folds it; the law is that of this build.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final, NamedTuple

from noli.domain import channel, fold, verdict
from noli.domain.channel import Channel, Purpose
from noli.domain.contact import Contact
from noli.domain.facts import EVERY_BRAND
from noli.domain.policy import Policy
from noli.domain.state import EMPTY, State
from noli.domain.verdict import Query, Verdict
from noli.evidence.history import Entry, History

#: Moments looked at, some 0.3 ms each: a contact that changed daily for ten years.
MOMENTS_MAX: Final = 4_000


class Turn(NamedTuple):
    """From `at` (ms) on, for every pair of these channels and purposes. `places`: the facts behind.

    No place: it changed by itself, when its time had come. `was`: whether it was allowed before;
    where it still is, or still is not, something else about it changed.
    """

    at: int
    places: tuple[str, ...]
    brand: str
    channels: tuple[Channel, ...]
    purposes: tuple[Purpose, ...]
    was: bool
    verdict: Verdict


class Turns(NamedTuple):
    """In order; `whole`: whether none is missing at the end, since there were too many."""

    found: tuple[Turn, ...]
    whole: bool


#: Of every brand: the verdict on each pair, by the pair's mask.
_Said = Mapping[str, Mapping[int, Verdict]]


def turns(controller: str, contact: Contact, history: History, now: int) -> Turns:
    """Every change of a verdict until `now`; before the first all is denied, being unknown."""
    walk = _Walk(controller, contact)
    counted = (*history.entries, *history.revocations(controller))
    steps = sorted(counted, key=lambda entry: (entry.known, entry.place))
    found: list[Turn] = []
    for moment, entries in groupby(steps, key=lambda entry: entry.known):
        if moment > now:
            break
        found += walk.wait(moment - 1)
        found += walk.take(moment, tuple(entries))
    found += walk.wait(now)
    return Turns(tuple(found), walk.left > 0)


class _Walk:
    """Through time. `left`: moments that may still be looked at."""

    def __init__(self, controller: str, contact: Contact) -> None:
        self._state = EMPTY._replace(controller=controller, kind=contact.kind, contact=contact)
        self._policy = Policy()
        self._said: _Said = {}
        self._next: int | None = None
        self.left = MOMENTS_MAX

    def take(self, at: int, entries: tuple[Entry, ...]) -> Iterator[Turn]:
        """Facts that count from a moment on."""
        for entry in entries:
            fact = entry.fact
            if entry.revokes:
                self._policy = self._policy.with_revoked(
                    fact.controller, fact.source_id or "", fact.accepted
                )
            else:
                self._state = fold.fold(self._state, fact)
        yield from self._look(at, tuple(entry.place for entry in entries))

    def wait(self, until: int) -> Iterator[Turn]:
        """What changes by itself up to a moment."""
        while self._next is not None and self._next <= until and self.left > 0:
            yield from self._look(self._next, ())

    def _look(self, at: int, places: tuple[str, ...]) -> Iterator[Turn]:
        if self.left <= 0:
            return
        self.left -= 1
        rows, self._next = verdict.verdicts(self._state, self._policy, at)
        said = {
            brand: {
                channel.pair(query.channel, query.purpose): verdict.answer_from(
                    rows, self._state.kind, query, at
                )
                for query in _queries(self._state, brand)
            }
            for brand in _brands(self._state)
        }
        before, self._said = self._said, said
        for brand, pairs in said.items():
            old = before.get(brand) or before.get(EVERY_BRAND, {})
            yield from _turned(at, places, brand, old, pairs)


def _turned(
    at: int, places: tuple[str, ...], brand: str, old: Mapping[int, Verdict],
    new: Mapping[int, Verdict],
) -> Iterator[Turn]:  # fmt: skip
    masks: dict[tuple[bool, Verdict], int] = {}
    for pair, now in new.items():
        then = old.get(pair, UNKNOWN)
        if _plain(now) != _plain(then):
            masks[then.allowed, now] = masks.get((then.allowed, now), 0) | pair
    for (was, now), mask in masks.items():
        for channels, purposes in channel.rectangles(mask):
            yield Turn(at, places, brand, channels, purposes, was, now)


#: What is said of a contact of which nothing is known.
UNKNOWN: Final = verdict.answer(None, Policy(), Query(Channel.SMS, Purpose.MARKETING), 0)


def _plain(said: Verdict) -> tuple[object, ...]:
    """Without the moment it ends: a consent renewed changes nothing for now."""
    return said.allowed, said.basis, said.reasons, said.conditions


def _brands(state: State) -> list[str]:
    named = {d.brand for d in state.denials} | {g.brand for g in state.grants}
    return [EVERY_BRAND, *sorted(named - {EVERY_BRAND})]


def _queries(state: State, brand: str) -> Iterator[Query]:
    for purpose in channel.PURPOSES:
        for each in channel.channels_of(channel.reach(state.kind)):
            yield Query(each, purpose, brand)
