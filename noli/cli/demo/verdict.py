"""What the demo ends with: a table per application, then the verdict and its numbers."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from noli.cli.demo.checks import Finding
from noli.cli.demo.receipts import Account


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything the verdict rests on. `optouts`: tokens of those who objected."""

    contacts: int
    optouts: AbstractSet[bytes]
    accounts: Mapping[str, Account]
    findings: Sequence[Finding]
    refused_posts: int

    @property
    def good(self) -> bool:
        """Whether every application confirmed every opt-out and every place obeys."""
        return not self.complaints()

    def complaints(self) -> list[str]:
        """What is wrong, in words; empty when all is well."""
        missing = {
            app: len(self.optouts - account.confirmed.keys())
            for app, account in self.accounts.items()
        }
        return [
            *(f"{app} did not confirm {count} opt-outs" for app, count in missing.items() if count),
            *(
                f"{found.place}: {found.wrongly_allowed} who objected are still allowed"
                for found in self.findings
                if found.wrongly_allowed
            ),
            *(
                f"{found.place}: {found.wrongly_denied} who did not object are denied"
                for found in self.findings
                if found.wrongly_denied
            ),
            *([f"{self.refused_posts} unsigned posts"] if self.refused_posts else []),
        ]


def show(console: Console, outcome: Outcome) -> None:
    """Print table and verdict; the verdict is the last line."""
    console.print(_table(outcome))
    complaints = outcome.complaints()
    if complaints:
        console.print(Text("FAILED: " + "; ".join(complaints), "bold red"))
        return
    took = [_latencies(account) for account in outcome.accounts.values()]
    p50, p99 = (max(percentile(ms, percent) for ms in took) for percent in (50, 99))
    good = (
        f"OK: {len(outcome.optouts)} opt-outs among {outcome.contacts:,} contacts are obeyed by "
        f"{len(outcome.accounts)} applications and the lookup; "
        f"from accepted to applied p50 {p50:.0f} ms, p99 {p99:.0f} ms"
    )
    console.print(Text(good, "bold green"), soft_wrap=True)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of all do not exceed, interpolated; nan of nothing."""
    if len(values) < 2:  # noqa: PLR2004 - quantiles needs two
        return float(values[0]) if values else float("nan")
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _table(outcome: Outcome) -> Table:
    table = Table(title="From accepted to applied, as each application confirmed it")
    table.add_column("application")
    for name in ("contacts", "told", "confirmed", "p50 ms", "p99 ms", "slowest ms"):
        table.add_column(name, justify="right")
    for app, account in outcome.accounts.items():
        latencies = _latencies(account)
        table.add_row(
            app,
            f"{len(account.known):,}",
            str(len(account.told)),
            str(len(latencies)),
            f"{percentile(latencies, 50):.0f}",
            f"{percentile(latencies, 99):.0f}",
            str(max(latencies, default="")),
        )
    return table


def _latencies(account: Account) -> list[int]:
    return list(account.confirmed.values())
