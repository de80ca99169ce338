"""VICIdial's do-not-call lists: the system's, and those of campaigns that call for one brand.

Coarser than a verdict, so rounded to denial: a number on the system list is called for no brand.
A row that somebody else put there is never taken off, one of ours only once everything allows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal

import orjson
import phonenumbers
from pydantic import Field

from connectors import mariadb, protocol
from connectors.protocol import Applied, Change, Held, Problem, Reject, Result, Retry
from connectors.statements import statements
from noli.domain.channel import Kind
from noli.runtime.clock import now_ms

#: What VICIdial's log calls the system list.
SYSTEM: Final = "-SYSINT-"
_TABLES: Final = ("campaign_dnc", "campaigns", "dnc", "dnc_log", "hopper", "list")
_DIGITS: Final = 18  # of `vicidial_dnc.phone_number`; more would be cut
Campaign = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{2,8}$")]  # longer ones would be cut


class Vicidial:
    """Keeps numbers on VICIdial's do-not-call lists and out of its hopper."""

    class Config(protocol.SinkConfig):
        """Which database, which campaigns."""

        url: mariadb.Url
        channel: Annotated[
            Literal["operator_call", "automated_call"], Field(description="How it calls.")
        ] = "operator_call"
        purpose: Annotated[str, Field(description="What its campaigns call for.")] = "marketing"
        campaigns: Annotated[
            Mapping[str, str],
            Field(description="campaign_id: brand, of those with one."),
        ] = {}
        user: Annotated[
            str, Field(max_length=20, description="Our name in vicidial_dnc_log; nobody else's.")
        ] = "NOLI"
        timeout_s: mariadb.Patience = 15.0
        batch: Annotated[int, Field(ge=1, le=500, description="Most contacts at once.")] = 100
        ca_file: mariadb.Authorities = None

    def __init__(self, config: Config, app: str) -> None:  # noqa: ARG002 - MySQL asks no name
        self._config = config
        self._server = mariadb.Server(config.url, config.timeout_s, config.ca_file)
        self.traits = protocol.Traits("seconds", "exact", config.batch, many_controllers=False)

    async def check(self) -> Sequence[Problem]:
        """Whether it is a VICIdial, and its campaigns look at the lists. Writes nothing."""
        try:
            return await self._server.run(self._problems)
        except Retry as error:
            return [Problem(f"config.url: {error.reason}", "see host, port, user, database")]

    async def fix(self) -> Sequence[str]:
        """Create our ledger; VICIdial's own settings are its owner's."""
        mended = [problem.what for problem in await self.check() if problem.fixable]
        for name in ("layout", "layout_rows") if mended else ():
            await self._server.run(partial(self._ask, name=name))
        return [f"was mended: {what}" for what in mended]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """List rows, log, hopper, then read back; the ledger last, so a crash repeats it all."""
        numbers = [_number(change) for change in changes]
        good = [(c, n) for c, n in zip(changes, numbers, strict=True) if not isinstance(n, Reject)]
        if good:
            await self._server.run(partial(self._turn, named=good))
        return [
            number if isinstance(number, Reject) else self._applied(change)
            for change, number in zip(changes, numbers, strict=True)
        ]

    async def read_back(self, subjects: Sequence[protocol.Subject]) -> Mapping[str, Held]:
        """By the ledger's number, what lists and hopper come to; a number we forgot is denied."""
        return await self._server.run(partial(self._held, tokens=[s.token for s in subjects]))

    async def aclose(self) -> None:
        """Close the kept connection."""
        await self._server.aclose()

    def _problems(self, cursor: mariadb.Cursor) -> list[Problem]:
        there = {name for (name,) in self._ask(cursor, "tables")}
        missing = [f"vicidial_{name}" for name in _TABLES if f"vicidial_{name}" not in there]
        if missing:
            return [Problem(f"tables {missing} are missing", "name VICIdial's own database")]
        found = [Problem(what, remedy) for what, remedy in self._ask(cursor, "problems")]
        if not {"noli_vicidial", "noli_vicidial_rows"} <= there:
            found.append(Problem("table noli_vicidial is missing", "use --fix", fixable=True))
        heeded = {name for (name,) in self._ask(cursor, "heeded")}
        remedy = "set use_campaign_dnc=Y, use_other_campaign_dnc empty; or name another campaign"
        ignored = (name for name in self._config.campaigns if name not in heeded)
        return [*found, *(Problem(f"campaign {name} ignores its list", remedy) for name in ignored)]

    def _denied(self, change: Change) -> set[str]:
        """The lists the number belongs on."""
        pair, now = (self._config.channel, self._config.purpose), now_ms()
        of_pair = [v for v in change.verdicts if v[:2] == pair]
        said = {v.brand: v.allowed and (v.until is None or v.until > now) for v in of_pair}
        others = said.get("", said.get("*", False))
        denied = {n for n, b in self._config.campaigns.items() if not said.get(b, others)}
        return denied if said.get("*") else {SYSTEM, *denied}

    def _applied(self, change: Change) -> Applied:
        if change.contact is None:
            return Applied("number_stays_listed")
        missing = {SYSTEM, *self._config.campaigns} - (denied := self._denied(change))
        return Applied("rounded_to_number" if SYSTEM in denied and missing else None)

    def _turn(self, cursor: mariadb.Cursor, named: Sequence[tuple[Change, str | None]]) -> None:
        ((ours,),) = self._ask(cursor, "turn", math.ceil(self._config.timeout_s))
        if not ours:
            raise Retry("vicidial_turn_is_taken")
        self._write(cursor, named)
        self._ask(cursor, "done")

    def _write(self, cursor: mariadb.Cursor, named: Sequence[tuple[Change, str | None]]) -> None:
        held = {row[0]: row for row in self._ask(cursor, "held", [c.token for c, _ in named])}
        fresh = [(c, n) for c, n in named if c.token not in held or held[c.token][2] <= c.version]
        ledger = [(c.token, n, c.version, orjson.dumps(sorted(self._denied(c)))) for c, n in fresh]
        wanted: dict[str, set[str]] = {}
        for change, number in fresh:  # once erased, under the number that we are about to forget
            if known := number or held.get(change.token, (None, None))[1]:
                wanted.setdefault(known, set()).update(self._denied(change))
        if wanted:  # a number may have two tokens: both must allow it
            for token, number, lists in self._ask(cursor, "others", list(wanted)):
                if token not in {change.token for change, _ in fresh}:
                    wanted[number].update(orjson.loads(lists))
            for number, lists in wanted.items():
                self._list(cursor, number, lists)
            self._prove(cursor, wanted)
        for change, _ in fresh:
            if change.contact is None and (known := held.get(change.token, (None, None))[1]):
                self._ask(cursor, "forget", known)  # its rows stay, and are nobody's
        for row in ledger:
            self._ask(cursor, "upsert", *row)

    def _list(self, cursor: mariadb.Cursor, number: str, wanted: set[str]) -> None:
        for name in (SYSTEM, *self._config.campaigns):
            row = (number, name)
            kind, key = ("system", row[:1]) if name == SYSTEM else ("campaign", row)
            if name in wanted:
                self._ask(cursor, f"add_{kind}", *key)
                if cursor.rowcount:  # else somebody's, or ours already
                    self._ask(cursor, "own", *row)
                    self._ask(cursor, "log", *row, "add", self._config.user)
                campaign = "%" if name == SYSTEM else name
                self._ask(cursor, "unload", campaign, number, number, number)
            elif self._ask(cursor, "ours", *row, *row, self._config.user):
                self._ask(cursor, f"remove_{kind}", *key)
                self._ask(cursor, "log", *row, "delete", self._config.user)
                self._ask(cursor, "disown", *row)

    def _prove(self, cursor: mariadb.Cursor, wanted: Mapping[str, set[str]]) -> None:
        """Read back, hopper included. Raises `Retry`."""
        listed = set(self._ask(cursor, "listed", list(wanted), list(wanted)))
        if any((number, name) not in listed for number in wanted for name in wanted[number]):
            raise Retry("vicidial_not_listed")
        silent = [number for number, lists in wanted.items() if SYSTEM in lists]
        if silent and self._ask(cursor, "loaded", silent, silent, silent) != ((0,),):
            raise Retry("vicidial_still_in_hopper")

    def _held(self, cursor: mariadb.Cursor, tokens: Sequence[str]) -> dict[str, Held]:
        rows = self._ask(cursor, "held", list(tokens) or [""])
        numbers = [number or "" for _, number, *_ in rows] or [""]
        listed = set(self._ask(cursor, "obeyed", numbers, numbers))
        brands = {"*": {SYSTEM}}
        for campaign, brand in self._config.campaigns.items():
            brands.setdefault(brand, {SYSTEM}).add(campaign)
        pair: tuple[str, str] = (self._config.channel, self._config.purpose)
        held: dict[str, Held] = {}
        for token, number, version, _ in rows:
            on = {name for listed_number, name in listed if listed_number == number}
            free = {(*pair, b): bool(number) and not names & on for b, names in brands.items()}
            held[token] = Held(version, free)
        return held

    def _ask(self, cursor: mariadb.Cursor, name: str, *values: object) -> Sequence[tuple[Any, ...]]:
        cursor.execute(statements("vicidial.sql")[name], values or None)
        return cursor.fetchall()


def _number(change: Change) -> str | Reject | None:
    """The national number, as VICIdial keeps it beside the phone code; None: no number."""
    if change.contact is None or change.contact.kind != Kind.PHONE:
        return None
    try:
        parsed = phonenumbers.parse(change.contact.value)
    except phonenumbers.NumberParseException:
        return Reject("number_unreadable")
    number = phonenumbers.national_significant_number(parsed)
    return number if len(number) <= _DIGITS else Reject("number_too_long")
