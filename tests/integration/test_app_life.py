"""The life of an application: paused, backfilled, read back, repaired; a real table and log."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from connectors.ledger import fenced
from connectors.protocol import Change, Held, Result, Sink, Subject, Traits
from connectors.sinks.kamailio import Kamailio
from connectors.sinks.postgres import Postgres
from connectors.sinks.vicidial import Vicidial
from noli.domain.channel import CHANNELS
from noli.runtime import apps
from noli.runtime.kafka import Acked
from noli.wire.apps import Face, State, Verb
from tests.support.connector import APP, Lab
from tests.support.decisions import CODEC, rows, token
from tests.support.kamailio import kamailio
from tests.support.life import PATIENCE_S, living
from tests.support.stack import Stack
from tests.support.targets import Target
from tests.support.vicidial import dialer

_numbers = itertools.count(1)
CALL: Final = "operator_call"


class Table:
    """The application's table, and somebody who changes it behind our back."""

    def __init__(self, dsn: str, connection: psycopg.AsyncConnection) -> None:
        self._dsn = dsn
        self._connection = connection
        self._name = f"noli_life_{next(_numbers)}"

    def sink(self) -> Sink:
        """A sink of the table."""
        config = {"dsn": self._dsn, "table": self._name, "timeout_s": 20, "batch": 50}
        return Postgres(Postgres.Config.model_validate(config), "crm")

    async def prepare(self) -> Table:
        """Lay it out."""
        sink = self.sink()
        assert isinstance(sink, Postgres)
        await sink.fix()
        await sink.aclose()
        return self

    async def sql(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """Somebody's own statement; `{}` is the table."""
        found = await self._connection.execute(SQL(text).format(Identifier(self._name)), values)
        return await found.fetchall() if found.description else []

    async def calls(self) -> dict[int, bool]:
        """Number of the contact → whether it may be called."""
        ask = "SELECT token, allowed FROM {} WHERE channel = %s"
        return {int(t.removeprefix("01"), 16): allowed for t, allowed in await self.sql(ask, CALL)}

    async def has(self, wanted: dict[int, bool]) -> None:
        """Wait until exactly that stands there."""
        async with asyncio.timeout(30):
            while await self.calls() != wanted:
                await self.sql("SELECT pg_sleep(0.05)")  # the table tells nobody of its changes


@pytest.fixture
async def table(postgres_dsn: str) -> AsyncIterator[Table]:
    """An empty table."""
    async with await psycopg.AsyncConnection.connect(postgres_dsn, autocommit=True) as connection:
        yield await Table(postgres_dsn, connection).prepare()


@pytest.fixture
def lab(stack: Stack) -> Lab:
    """Two partitions, so a job is done when both are."""
    return Lab(stack, partitions=2)


async def test_an_application_announces_itself(lab: Lab, table: Table, tmp_path: Path) -> None:
    """What a manifest says is in the log, without an address; once, however often it starts."""
    async with living(lab, table.sink, tmp_path) as life:
        first = await life.until(life.app, lambda app: app.face is not None)
    async with living(lab, table.sink, tmp_path) as life:
        await life.until(life.runner.ready, lambda ready: ready[0])
        app = life.app()
    assert app == first
    assert (app.state, app.by) == (State.RUNNING, "connectors-crm")
    assert app.face == Face("postgres", ("acme",), CHANNELS, ("marketing",), third_party=False)


async def test_a_paused_application_is_told_nothing_until_resumed(
    lab: Lab, table: Table, tmp_path: Path
) -> None:
    """The pause survives a restart; afterwards the newest verdict of each contact is applied."""
    async with living(lab, table.sink, tmp_path) as life:
        lab.desk.claim(1).decide(1, 1).send()
        await table.has({1: False})
        await life.ask(Verb.PAUSED, reason="maintenance until six")
        await life.until(life.runner.ready, lambda ready: ready[1].get("held") is True)
    async with living(lab, table.sink, tmp_path) as life:
        await life.until(life.runner.ready, lambda ready: ready[1].get("held") is True)
        lab.desk.decide(1, 2, rows=rows([CALL])).decide(1, 3).decide(2, 1).send()
        await life.until(life.runner.ready, lambda ready: ready[1]["pending"] == 2)
        assert life.app().reason == "maintenance until six"
        assert await table.calls() == {1: False}
        await life.ask(Verb.RESUMED)
        await table.has({1: False, 2: False})
    versions = await table.sql("SELECT version FROM {} WHERE channel = '*' ORDER BY token")
    assert versions == [(3,), (1,)]


async def test_a_backfill_writes_every_newest_decision_again(
    lab: Lab, table: Table, tmp_path: Path
) -> None:
    """An emptied table is as before; what a lost owner wrote late is not offered."""
    lab.desk.claim(1).decide(1, 1).decide(2, 1).decide(1, 2, rows=rows([CALL]))
    lab.desk.claim(2).decide(3, 4).decide(3, 9, rows=rows([CALL]), epoch=1)
    lab.desk.claim(1, partition=1).decide(4, 1, partition=1).send()
    async with living(lab, table.sink, tmp_path) as life:
        await table.has({1: True, 2: False, 3: False, 4: False})
        await table.sql("DELETE FROM {}")
        job = await life.finished(await life.ask(Verb.BACKFILL))
        await table.has({1: True, 2: False, 3: False, 4: False})
    assert sum(part.written for part in job.parts.values()) == 4
    assert {number: part.total for number, part in job.parts.items()} == {0: 7, 1: 2}


async def test_a_backfill_never_goes_back_in_time(lab: Lab, table: Table, tmp_path: Path) -> None:
    """Contacts that change while it runs end with the newer verdict, whoever wrote first."""
    lab.desk.claim(1).claim(1, partition=1)
    for number in range(400):
        lab.desk.decide(number, 1, partition=number % 2, rows=rows([CALL]))
    lab.desk.send()
    async with living(lab, table.sink, tmp_path) as life:
        await table.has(dict.fromkeys(range(400), True))
        action = await life.ask(Verb.BACKFILL)
        for number in range(0, 400, 3):
            lab.desk.decide(number, 2, partition=number % 2)
        lab.desk.send()
        await life.finished(action)
        await table.has({number: number % 3 != 0 for number in range(400)})


async def test_a_read_back_counts_what_is_wrong_by_its_cause(
    lab: Lab, table: Table, tmp_path: Path
) -> None:
    """Changed by its users, deleted, restored from a backup, denied there: each has a name."""
    lab.desk.claim(1).claim(1, partition=1)
    for number in range(6):
        lab.desk.decide(number, 5, rows=rows([CALL] if number == 4 else []))
    lab.desk.send()
    async with living(lab, table.sink, tmp_path) as life:
        await table.has({0: False, 1: False, 2: False, 3: False, 4: True, 5: False})
        hex_of = {number: token(number).hex() for number in range(6)}
        change = "UPDATE {} SET allowed = %s WHERE token = %s AND channel = %s"
        await table.sql(change, True, hex_of[0], CALL)
        await table.sql("DELETE FROM {} WHERE token = %s", hex_of[1])
        await table.sql("UPDATE {} SET version = 4 WHERE token = %s", hex_of[2])
        await table.sql("UPDATE {} SET version = 6 WHERE token = %s", hex_of[3])
        await table.sql(change, False, hex_of[4], CALL)
        job = await life.finished(await life.ask(Verb.VERIFY))
        assert job.drift() == {"allowed": 1, "missing": 1, "older": 1, "newer": 1, "denied": 1}
        assert sum(part.written for part in job.parts.values()) == 0
        assert (await table.calls())[0] is True


async def test_a_repair_takes_away_and_never_gives(lab: Lab, table: Table, tmp_path: Path) -> None:
    """What is denied is denied again; what its users denied, or deleted, stays as they left it."""
    lab.desk.claim(1).claim(1, partition=1)
    lab.desk.decide(0, 5).decide(1, 5, rows=rows([CALL])).decide(2, 5, rows=rows([CALL])).send()
    async with living(lab, table.sink, tmp_path) as life:
        await table.has({0: False, 1: True, 2: True})
        await table.sql("UPDATE {} SET allowed = true WHERE token = %s", token(0).hex())
        await table.sql("UPDATE {} SET allowed = false WHERE token = %s", token(1).hex())
        await table.sql("DELETE FROM {} WHERE token = %s", token(2).hex())
        job = await life.finished(await life.ask(Verb.REPAIR))
        await table.has({0: False, 1: False, 2: False})
        assert job.drift() == {"allowed": 1, "missing": 1, "denied": 1}
        again = await life.finished(await life.ask(Verb.BACKFILL))
        await table.has({0: False, 1: True, 2: True})
    assert sum(part.written for part in again.parts.values()) == 3


async def test_a_job_that_nobody_was_there_for_is_carried_out_by_the_next(
    lab: Lab, table: Table, tmp_path: Path
) -> None:
    """It was asked for while the application was down: its next process begins it."""
    lab.desk.claim(1).claim(1, partition=1).decide(1, 1).send()
    async with living(lab, table.sink, tmp_path) as life:
        await table.has({1: False})
    await table.sql("DELETE FROM {}")
    acked = Acked(lab.stack.settings(instance="noli-app"))
    desk = apps.Desk(acked, CODEC, lab.topics["noli.apps"])
    action = await desk.act(APP, Verb.BACKFILL, by="someone@here")
    await acked.close()
    async with living(lab, table.sink, tmp_path) as life:
        job = await life.finished(action)
        await table.has({1: False})
    assert job.verb is Verb.BACKFILL


async def test_an_application_that_lies_is_found_out_by_itself(
    lab: Lab, table: Table, tmp_path: Path
) -> None:
    """What was applied last is read back, verified in the receipts, repaired where it changed."""
    lab.desk.claim(1).claim(1, partition=1).decide(1, 1).decide(2, 1).send()
    async with living(lab, table.sink, tmp_path, {"recent_seconds": 0.3}) as life:
        await table.has({1: False, 2: False})
        await asyncio.to_thread(
            lab.receipts,
            lambda all_: (
                sum(change["outcome"] == "verified" for r in all_ for change in r["changes"]) == 2
            ),
        )
        await table.sql("UPDATE {} SET allowed = true WHERE token = %s", token(2).hex())
        await table.has({1: False, 2: False})
        job = (await life.until(life.app, lambda app: app.job is not None)).job
        told = await outcomes(lab, 2, "verified", 2)
    assert (job.verb, job.by) == (Verb.REPAIR, "reconciler of connectors-crm")
    assert told == ["applied", "verified", "drifted", "applied", "verified"]


async def outcomes(lab: Lab, number: int, last: str, times: int) -> list[str]:
    """What the receipts say of a contact, in order, once `last` was said so many times."""

    def said(receipts: list[dict[str, Any]]) -> list[str]:
        of = token(number)
        return [c["outcome"] for r in receipts for c in r["changes"] if c["token"] == of]

    found = await asyncio.to_thread(lab.receipts, lambda all_: said(all_).count(last) >= times)
    return said(found)


class Liar(Target):
    """Confirms everything; holds what it says it holds only while it is honest."""

    honest: ClassVar[bool] = False
    held: ClassVar[dict[str, Held]] = {}

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Yes."""
        for change in changes if self.honest else ():
            pairs = {verdict[:3]: verdict.allowed for verdict in change.verdicts}
            self.held[change.token] = Held(change.version, pairs)
        return await super().apply(changes)

    async def read_back(self, subjects: Sequence[Subject]) -> Mapping[str, Held]:
        """The truth."""
        return {s.token: self.held[s.token] for s in subjects if s.token in self.held}


async def test_who_confirms_and_does_nothing_is_not_believed_when_it_confirms_the_repair(
    lab: Lab, tmp_path: Path
) -> None:
    """Drifted until it was read back and found right, however often it says that it is applied."""
    target = Liar(Traits(read_back="exact"))
    lab.desk.claim(1).claim(1, partition=1).decide(1, 1).send()
    async with living(lab, lambda: target, tmp_path, {"recent_seconds": 0.3}):
        lied = await outcomes(lab, 1, "applied", 3)
        Liar.honest = True
        told = await outcomes(lab, 1, "verified", 1)
    assert lied[:3] == ["applied", "drifted", "applied"]
    assert "verified" not in lied
    assert told[-1] == "verified"
    assert told.count("drifted") == 1


async def test_a_repair_does_not_displace_what_a_person_asked_for(
    lab: Lab, table: Table, tmp_path: Path
) -> None:
    """Drift found while a backfill is asked for orders nothing: the backfill mends it, and more."""
    looking, go = asyncio.Event(), asyncio.Event()

    def make() -> Sink:
        sink = table.sink()
        read_back = sink.read_back

        async def slow(subjects: Sequence[Subject]) -> Mapping[str, Held]:
            held = await read_back(subjects)
            if any(any(one.allowed.values()) for one in held.values()):
                looking.set()
                await go.wait()
            return held

        sink.read_back = slow  # type: ignore[method-assign]
        return sink

    lab.desk.claim(1).claim(1, partition=1).decide(1, 1).send()
    async with living(lab, make, tmp_path, {"recent_seconds": 0.3}) as life:
        await table.has({1: False})
        await table.sql("UPDATE {} SET allowed = true WHERE token = %s", token(1).hex())
        await asyncio.wait_for(looking.wait(), PATIENCE_S)
        asked = await life.ask(Verb.BACKFILL)
        go.set()
        await table.has({1: False})
        job = (await life.until(life.app, lambda app: bool(app.job and app.job.done(2)))).job
    assert (job.id, job.verb) == (asked, Verb.BACKFILL)


async def test_a_removed_application_is_told_nothing_and_says_so(
    lab: Lab, table: Table, tmp_path: Path
) -> None:
    """Its process may go on; only adding it again brings it back."""
    async with living(lab, table.sink, tmp_path) as life:
        lab.desk.claim(1).decide(1, 1).send()
        await table.has({1: False})
        await life.ask(Verb.REMOVED)
        await life.until(life.runner.ready, lambda ready: ready[1].get("held") is True)
    async with living(lab, table.sink, tmp_path) as life:
        assert life.app().state is State.REMOVED
        await life.ask(Verb.ADDED)
        lab.desk.decide(2, 1).send()
        await table.has({1: False, 2: False})


async def test_a_switch_that_forgot_everything_is_filled_again(lab: Lab, tmp_path: Path) -> None:
    """Restarted, it declines everybody; whoever may be called is, again, without anybody asking."""
    lab.desk.claim(1).claim(1, partition=1)
    for number in range(100):
        lab.desk.decide(number, 1, rows=rows([CALL] if number < 3 else []))
    lab.desk.send()

    with kamailio() as proxy:

        def sink() -> Sink:
            return fenced(Kamailio(proxy.config(timeout_s=2), "switch"), tmp_path / "ledger")

        def may_be_called() -> set[str]:
            return set(proxy.table())

        wanted = {f"39333{number:07d}" for number in range(3)}
        async with living(lab, sink, tmp_path, {"recent_seconds": 0.3}) as life:
            await life.until(may_be_called, lambda found: found == wanted)
            await life.until(life.runner.ready, lambda ready: ready[1]["pending"] == 0)
            proxy.stop()
            proxy.start()
            assert may_be_called() == set()
            await life.until(may_be_called, lambda found: found == wanted)
            job = life.app().job
    assert job is not None
    assert (job.verb, job.by) == (Verb.BACKFILL, "reconciler of connectors-crm")


@pytest.mark.rule("OBJECT")
async def test_a_hopper_filled_behind_our_back_is_emptied_again(
    lab: Lab, mariadb_url: str, tmp_path: Path
) -> None:
    """VICIdial loads leads that objected after they were listed: they leave it undialled."""
    lab.desk.claim(1).claim(1, partition=1)
    for number in range(20):
        lab.desk.decide(number, 1, partition=number % 2, rows=rows([CALL] if number < 3 else []))
    lab.desk.send()
    with dialer(mariadb_url) as vici:

        def sink() -> Sink:
            config = {"url": vici.url, "timeout_s": 20}
            return Vicidial(Vicidial.Config.model_validate(config), "dialer")

        def loaded() -> set[int]:
            ask = "SELECT phone_number FROM vicidial_hopper JOIN vicidial_list USING (lead_id)"
            return {int(number.removeprefix("333")) for (number,) in vici.ask(ask)}

        target = sink()
        assert isinstance(target, Vicidial)
        await target.fix()
        await target.aclose()
        async with living(lab, sink, tmp_path, {"recent_seconds": 0.3}) as life:
            await life.until(
                lambda: vici.ask("SELECT COUNT(*) FROM vicidial_dnc"), lambda n: n == [(17,)]
            )
            for number in range(20):
                lead = "INSERT INTO vicidial_list (phone_code, phone_number) VALUES ('39', %s)"
                vici.ask(lead, f"333{number:07d}")
                vici.ask(
                    "INSERT INTO vicidial_hopper (lead_id, campaign_id, status)"
                    " VALUES (LAST_INSERT_ID(), 'RED', 'READY')"
                )
            await life.until(loaded, lambda found: found == {0, 1, 2})
