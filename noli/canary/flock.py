"""Which applications sit on which perch, and on whose contacts a canary flies from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from noli.domain import canary
from noli.domain.canary import Perch
from noli.domain.contact import Contact
from noli.domain.token import Pepper, token
from noli.runtime.partition import partition_of
from noli.wire.apps import App


class Bird(NamedTuple):
    """A contact of a perch, and its token."""

    contact: Contact
    token: bytes


def perches(apps: Iterable[App]) -> dict[Perch, list[App]]:
    """The applications that are probed, by perch; one without a face is not known enough."""
    found: dict[Perch, list[App]] = {}
    for app in apps:
        face = app.face
        perch = (
            face and face.canary and canary.perch(face.controllers, face.channels, face.purposes)
        )
        if perch:
            found.setdefault(perch, []).append(app)
    return found


def birds(pepper: Pepper, perch: Perch, partitions: int) -> tuple[Bird, ...]:
    """One contact for each partition where the flock has one: each owner is probed in its turn."""
    by_partition: dict[int, Bird] = {}
    for contact in canary.flock(perch.kind, perch.purpose):
        bird = Bird(contact, token(pepper, perch.controller, contact))
        by_partition.setdefault(partition_of(bird.token, partitions), bird)
    return tuple(by_partition[number] for number in sorted(by_partition))


def told(
    perched: Mapping[Perch, Iterable[App]], flocks: Mapping[Perch, Iterable[Bird]]
) -> dict[str, frozenset[bytes]]:
    """By application, the tokens of its canaries."""
    return {
        app.name: frozenset(bird.token for bird in flocks[perch])
        for perch, apps in perched.items()
        for app in apps
    }
