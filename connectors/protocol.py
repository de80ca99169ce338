"""What a sink is: one file that writes verdicts into one kind of application.

A sink knows its target and nothing else. Batching, per-contact order, retries, back-off, receipts,
offsets and metrics belong to `connectors.runner`. The contract in tests is `connectors.testing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from noli.domain.contact import Contact

__all__ = [
    "Applied",
    "Change",
    "Contact",
    "Fixable",
    "Held",
    "Leased",
    "Problem",
    "Reject",
    "Result",
    "Retry",
    "Serving",
    "Sink",
    "SinkConfig",
    "Subject",
    "Traits",
    "Verdict",
]


class Verdict(NamedTuple):
    """What holds for one contact on one channel, for one purpose and brand.

    `brand` `*` answers who asks without one; the empty brand, where there is one, answers for every
    brand without verdicts of its own, else `*` does.
    An allowance holds until `until` (ms, UTC; None: until told otherwise), then it is a denial.
    """

    channel: str
    purpose: str
    brand: str
    allowed: bool
    reasons: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    until: int | None = None


class Change(NamedTuple):
    """Everything an application may know of one contact; replaces whatever it held before.

    A pair that stands in no verdict is denied: what the application held for it must go. `contact`
    is None once erased, or where it was never readable; the application then finds it by `token`.
    """

    #: 34 lower-case hexadecimal digits; the same for this contact for ever.
    token: str
    contact: Contact | None
    controller: str
    #: Rises with every decision of this contact. A target that holds a newer one keeps it.
    version: int
    #: When the fact behind it was accepted, ms, UTC.
    accepted: int
    #: Place in `noli.decisions`.
    partition: int
    offset: int
    verdicts: tuple[Verdict, ...]
    #: Every objection accepted before this moment was decided before this change; ms, UTC.
    as_of: int | None


class Applied(NamedTuple):
    """The target holds the change durably, or already held a newer one.

    `note` says, in a word, where the target is coarser than the verdict (rounded to denial).
    """

    note: str | None = None


class Retry(Exception):
    """The target cannot take it now. Raised for a whole batch, or returned for one change.

    `reason` is a short code for logs; it never holds a contact or a secret. `after`: seconds the
    target asked for; None leaves the pause to the runner.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


class Reject(Exception):
    """The target can never take this change. The receipt says so; a human must look.

    `reason` is a short code without a contact or a secret.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Result = Applied | Retry | Reject


class Subject(NamedTuple):
    """Whom to read back: a target knows a contact by its token or by its value."""

    token: str
    contact: Contact | None


class Held(NamedTuple):
    """What the target holds of one contact: (channel, purpose, brand) → allowed.

    `version` is None where the target does not keep it.
    """

    version: int | None
    allowed: Mapping[tuple[str, str, str], bool]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something `check` found: what is wrong, and what to do about it. No contact, no secret.

    `fixable`: `noli app check --fix` can mend it.
    """

    what: str
    remedy: str
    fixable: bool = False


@dataclass(frozen=True, slots=True)
class Traits:
    """What the runner and the operator must know of a target."""

    #: How long a confirmed change takes to count in the target.
    alignment: Literal["seconds", "minutes", "hours"] = "seconds"
    #: What `read_back` can prove: every verdict, only how many there are, nothing.
    read_back: Literal["exact", "size", "none"] = "none"
    #: Most changes in one `apply`.
    batch: int = 100
    #: Most `apply` calls at once; never two with the same contact.
    in_flight: int = 1
    #: True where the target knows no token: a change without its contact is then rejected.
    needs_contact: bool = False
    #: Who remembers which version a contact was given: the target, or a ledger of ours
    #: (`connectors.ledger`) around a sink that then only sets what it is told.
    versions: Literal["target", "ledger"] = "target"
    #: True where only we write and a restart forgets all (a switch): it is then filled again.
    volatile: bool = False
    #: True where brand `*` of what is held is an answer for every brand, not for those not named.
    every_brand: bool = False
    #: False where the target cannot tell controllers apart: each then needs an app of its own.
    many_controllers: bool = True


class SinkConfig(BaseModel):
    """The `config` block of a manifest; each sink's own `Config` extends it with its fields.

    Give each field a `Field(description=...)`: `noli app describe` prints it. Declare a secret as
    `pydantic.SecretStr`: it is then shown nowhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Sink(Protocol):
    """A target. Constructed as `Sink(config, app)` with a valid `Sink.Config` and the app's name.

    `Config` is a class inside, a `SinkConfig`. The constructor does no I/O. No method logs, and no
    exception or `repr` shows a secret.
    """

    @property
    def traits(self) -> Traits:
        """What the target can do; constant over the sink's life."""

    async def check(self) -> Sequence[Problem]:
        """Prove address, credentials, rights and layout. Writes nothing; empty when all is well."""

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Write the changes; one result for each, in order. At most one change per contact.

        Idempotent: the runner repeats what it is not sure of. A change older than what the target
        holds is `Applied` without effect. Raises `Retry` when nothing is known to be written, and
        `Reject` when no change of the batch can ever be; any other exception ends the process.
        """

    async def read_back(self, subjects: Sequence[Subject]) -> Mapping[str, Held]:
        """What the target holds, by token; who is unknown there is absent. Raises `Retry`."""

    async def aclose(self) -> None:
        """Give connections back. Called once, also after a failure."""


@runtime_checkable
class Serving(Protocol):
    """A sink that its target comes to: it listens before it has anything to tell."""

    async def serve(self) -> None:
        """Listen; once, before the first `apply`, which tries again. Raises `Retry`."""


@runtime_checkable
class Leased(Protocol):
    """A sink whose target refuses everybody once it was not told for long how fresh it is."""

    async def renew(self, as_of: int) -> None:
        """Whatever takes somebody away and was accepted before `as_of` (ms) stands in the target.

        Called every few seconds while that is so. Raises `Retry`.
        """


@runtime_checkable
class Fixable(Protocol):
    """A sink that can make its own place in the target (tables, lists)."""

    async def fix(self) -> Sequence[str]:
        """Mend every fixable problem; what was done, one line each. Raises `Retry`."""
