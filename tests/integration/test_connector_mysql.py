"""The suppression table, as a dialer sees it, on a real MariaDB."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.protocol import Change, Reject, Retry, Verdict
from connectors.sinks.mysql import Mysql
from connectors.testing import CALLS, NOW_MS, TEXTS, a_change, a_verdict, new_token
from tests.support.servers import PASSWORD, connect
from tests.support.sinks import applied

_numbers = itertools.count(1)
PHONE = "+393331234567"


class Table:
    """A table of its own, with its sink and a dialer's connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"noli_{next(_numbers)}"
        self.dialer = connect(url)

    def sink(self, **over: Any) -> Mysql:  # noqa: ANN401 - fields of Config
        """A sink of the table."""
        config = {"url": self.url, "table": self.name, "timeout_s": 5, **over}
        return Mysql(Mysql.Config.model_validate(config), "dialer")

    async def fix(self) -> None:
        """Lay it out."""
        sink = self.sink()
        await sink.fix()
        await sink.aclose()

    async def apply(self, *changes: Change) -> None:
        """Apply and close."""
        await applied(self.sink(), changes)

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query; `THE_TABLE` in it is the table's name."""
        with self.dialer.cursor() as cursor:
            cursor.execute(query.replace("THE_TABLE", self.name), values)
            return list(cursor.fetchall())

    def allows(
        self, phone: str, channel: str, purpose: str, brand: str, controller: str | None = None
    ) -> bool:
        """What the table's function says."""
        asked = (phone, channel, purpose, brand, controller)
        return bool(self.ask("SELECT THE_TABLE_allowed(%s, %s, %s, %s, %s)", *asked)[0][0])


@pytest.fixture
def table(mariadb_url: str) -> Iterator[Table]:
    """A name that no other test has."""
    found = Table(mariadb_url)
    yield found
    found.dialer.close()


async def test_a_dialer_is_denied_what_the_table_does_not_know(table: Table) -> None:
    """No row, another channel, an allowance that ended, a denying controller: not allowed."""
    await table.fix()
    denies = a_change(None, 1, a_verdict())._replace(controller="other")
    ends = a_verdict(TEXTS, allowed=True, until=1)
    await table.apply(a_change(None, 1, a_verdict(allowed=True), ends), denies)
    assert table.allows(PHONE, *CALLS, controller="acme")
    assert not table.allows(PHONE, *CALLS)
    assert not table.allows(PHONE, *TEXTS, controller="acme")
    assert not table.allows(PHONE, "mms", "marketing", "*", "acme")
    assert not table.allows("+390000000", *CALLS, controller="acme")


async def test_a_dialer_asks_for_a_brand(table: Table) -> None:
    """The brand's own row, else that of the brands not named, else the one for all."""
    await table.fix()
    pairs = {"*": False, "": True, "red": False, "blue": True}
    verdicts = [a_verdict((*CALLS[:2], brand), allowed=ok) for brand, ok in pairs.items()]
    await table.apply(a_change(None, 1, *verdicts))
    asked = {brand: table.allows(PHONE, *CALLS[:2], brand) for brand in (*pairs, "other")}
    assert asked == {**pairs, "other": True}


async def test_an_erased_contact_leaves_no_value_behind(table: Table) -> None:
    """Every row of its token loses contact and kind, and is denied; the token stays."""
    await table.fix()
    token = new_token()
    both = a_verdict(CALLS, allowed=True), a_verdict((*CALLS[:2], "red"), allowed=True)
    await table.apply(a_change(token, 1, *both))
    await table.apply(a_change(token, 2, Verdict(*CALLS, False, ("ERASED",)), contact=None))
    rows = table.ask(
        "SELECT channel, brand, contact_kind, contact, allowed, version FROM THE_TABLE"
    )
    assert sorted(rows) == [
        ("*", "*", None, None, 0, 2),
        ("operator_call", "*", None, None, 0, 2),
        ("operator_call", "red", None, None, 0, 2),
    ]
    assert not table.allows(PHONE, *CALLS)


async def test_a_row_that_says_the_same_keeps_its_version(table: Table) -> None:
    """Only what changed is written; what is no longer stated is denied, not deleted."""
    await table.fix()
    token = new_token()
    until = a_verdict(TEXTS, allowed=True, until=NOW_MS + 500)
    await table.apply(a_change(token, 1, a_verdict(CALLS), until))
    await table.apply(a_change(token, 2, a_verdict(CALLS), until))
    query = "SELECT channel, allowed, reasons, version FROM THE_TABLE ORDER BY channel"
    everything = ("*", 0, '["NO_BASIS"]', 2)
    calls = ("operator_call", 0, '["OBJECTED"]', 1)
    assert table.ask(query) == [everything, calls, ("sms", 1, "[]", 1)]
    await table.apply(a_change(token, 3, a_verdict(CALLS)))
    denied = ("sms", 0, '["NO_BASIS"]', 3)
    assert table.ask(query) == [(*everything[:3], 3), calls, denied]
    await table.apply(a_change(token, 4, a_verdict(CALLS)))
    assert table.ask(query) == [(*everything[:3], 4), calls, denied]


async def test_a_stale_writer_beside_a_newer_one_changes_nothing(table: Table) -> None:
    """Sinks at once, many times over: the newer version stands, without a row of the older."""
    await table.fix()
    tokens = [new_token() for _ in range(10)]
    newer = [a_change(token, 9, a_verdict()) for token in tokens]
    older = [a_change(t, 8, a_verdict(allowed=True), a_verdict(TEXTS)) for t in tokens]
    await asyncio.gather(*(table.apply(c) for pair in zip(older, newer, strict=True) for c in pair))
    rows = table.ask("SELECT max(version), sum(allowed), count(DISTINCT token) FROM THE_TABLE")
    assert rows == [(9, 0, 10)]


async def test_check_names_what_is_missing_and_fix_mends_it(table: Table) -> None:
    """The table; then column, key, index, engine and function one by one."""
    name, sink = table.name, table.sink()
    assert [p.what for p in await sink.check()] == [f"table {name} is missing"]
    with pytest.raises(Retry, match="mysql_1146"):
        await sink.apply([a_change()])
    assert await sink.fix() == [f"was mended: table {name} is missing"]
    for damage, said in {
        f"ALTER TABLE {name} DROP COLUMN reasons": "column reasons is missing",
        f"ALTER TABLE {name} DROP PRIMARY KEY": "no unique key on (token,channel,purpose,brand)",
        f"ALTER TABLE {name} DROP KEY {name}_contact": f"index {name}_contact is missing",
        f"ALTER TABLE {name} ENGINE=MEMORY": "table is not InnoDB",
        f"DROP FUNCTION {name}_allowed": f"function {name}_allowed is missing",
    }.items():
        table.ask(damage)
        assert [(p.what, p.fixable) for p in await sink.check()] == [(said, True)]
        assert await sink.fix() == [f"was mended: {said}"]
    assert await sink.check() == []
    await sink.apply([a_change()])
    await sink.aclose()


async def test_check_names_the_right_that_is_missing(table: Table) -> None:
    """A user who may only read is told so; a wrong password is told by number, not shown."""
    await table.fix()
    reader = f"reader_{next(_numbers)}"
    table.ask(f"CREATE USER {reader} IDENTIFIED BY 'x'")
    table.ask(f"GRANT SELECT, EXECUTE ON noli.* TO {reader}")
    poor = table.sink(url=table.url.replace(f"noli:{PASSWORD}@", f"{reader}:x@"))
    wrong = table.sink(url=table.url.replace(PASSWORD, "not-the-one"))
    found = [[(p.what, p.fixable) for p in await sink.check()] for sink in (poor, wrong)]
    for sink in (poor, wrong):
        await sink.aclose()
    assert found == [
        [(f"the user may not {right} on {table.name}", False) for right in ("INSERT", "UPDATE")],
        [("config.url: mysql_1045", False)],
    ]


async def test_the_connection_is_made_again_after_it_broke(table: Table) -> None:
    """The server ends it: one `Retry`, then it works again."""
    await table.fix()
    sink = table.sink()
    await sink.apply([a_change()])
    own = table.ask("SELECT connection_id()")[0][0]
    for (number,) in table.ask("SELECT id FROM information_schema.processlist WHERE id <> %s", own):
        table.ask(f"KILL {number}")
    with pytest.raises(Retry, match="mysql_"):
        await sink.apply([a_change()])
    await sink.apply([a_change()])
    await sink.aclose()
    assert table.ask("SELECT count(DISTINCT token) FROM THE_TABLE") == [(2,)]


async def test_half_a_character_is_refused_alone(table: Table) -> None:
    """It can never be taken: `Reject` without the value; in a batch, `Retry`, so that it halves."""
    await table.fix()
    bad = a_change()
    assert bad.contact is not None
    bad = bad._replace(contact=bad.contact._replace(value="+39\ud800"))
    with pytest.raises(Reject, match=r"^not_text$"):
        await table.apply(bad)
    with pytest.raises(Retry, match=r"^not_text$"):
        await table.apply(bad, a_change())
    assert table.ask("SELECT count(*) FROM THE_TABLE") == [(0,)]
