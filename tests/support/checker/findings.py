"""What a check found: by category, each with one minimal witness, printable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Category(StrEnum):
    """What can be wrong; the invariant it breaks stands behind."""

    LOST = "lost"  #                 I1, I5: acknowledged, and not in the log
    GHOST = "ghost"  #               I8, I11: refused or never sent, and there; allowed on no basis
    FORKED = "forked"  #             I8: one event or one version with two meanings
    NONMONOTONIC = "nonmonotonic"  # I3, I7: a version or a watermark goes back
    LIFTED = "lifted"  #             I2: denied once, allowed again, and no consent is later
    UNSEEN = "unseen"  #             I1: at rest, an objection that never got there
    WITHHELD = "withheld"  #         I16: at rest, what must be allowed is not
    UNAPPLIED = "unapplied"  #       I6: a receipt of what the application did not have
    LYING = "lying"  #               I7: aligned as of a moment, and it was not
    STALE = "stale"  #               I4: a lookup allowed what the log had denied beyond the lease
    UNSETTLED = "unsettled"  #       I9, I16: at rest, an application is not at the newest decision
    UNBALANCED = "unbalanced"  #     I9: accepted ≠ applied + superseded + in flight + quarantined
    DIVERGED = "diverged"  #         I10: two ways to the same state, two states
    OVERWRITTEN = "overwritten"  #   the compacted topic ends with a record that readers pass over


def shown(value: object) -> str:
    """A record on one line, without what is as usual: what was seen, no more."""
    if isinstance(value, frozenset | set):
        return "{" + ", ".join(sorted(map(shown, value))) + "}"
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        usual = getattr(value, "_field_defaults", {})
        fields = [
            f"{name}={shown(field)}"
            for name, field in value._asdict().items()
            if name not in usual or usual[name] != field
        ]
        return f"{type(value).__name__}({', '.join(fields)})"
    return str(value)


class Finding(NamedTuple):
    """One violation. `witness`: the fewest records that show it, in order."""

    category: Category
    what: str
    witness: tuple[object, ...]

    def __str__(self) -> str:
        """The category, what is wrong, and a line per record."""
        lines = [f"{self.category}: {self.what}", *(f"    {shown(each)}" for each in self.witness)]
        return "\n".join(lines)


@dataclass
class Report:
    """What a check of one history came to. `checked`: how much of each kind there was to check.

    A report without findings over nothing checked proves nothing: assert on `checked`.
    """

    findings: list[Finding] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    #: What whoever ran it knows besides, a line each: printed where something was found.
    notes: list[str] = field(default_factory=list)

    def add(self, findings: Iterable[Finding]) -> None:
        """Take more findings in."""
        self.findings.extend(findings)

    @property
    def categories(self) -> Counter[Category]:
        """How many violations of each category."""
        return Counter(finding.category for finding in self.findings)

    def witnesses(self) -> dict[Category, Finding]:
        """One finding of each category: the one with the shortest witness, then the first."""
        found: dict[Category, Finding] = {}
        for finding in self.findings:
            known = found.get(finding.category)
            if known is None or len(finding.witness) < len(known.witness):
                found[finding.category] = finding
        return found

    def __str__(self) -> str:
        """For who reads the run."""
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self.checked.items()))
        if not self.findings:
            return f"nothing wrong in {counts}"
        lines = [f"{len(self.findings)} violations in {counts}"]
        for category, finding in self.witnesses().items():
            lines += [f"  [{self.categories[category]} x] {finding}".replace("\n", "\n  ")]
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines)
