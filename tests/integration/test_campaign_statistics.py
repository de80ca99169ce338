"""Campaign statistics in a real PostgreSQL: written again at will, never backwards, kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from noli.campaigns.report import day_date, report
from noli.campaigns.statistics import Statistics, TooYoung, Unusable, oldest_kept
from noli.cli.campaign import app
from noli.domain import times
from noli.domain.campaigns import Counts, day_of
from noli.runtime import registry, subjects
from noli.runtime.kafka import producer_config
from noli.wire.campaigns import Campaign, campaign_key, campaign_record
from tests.support.replica import soon
from tests.support.stack import Stack

NOW = times.parse("2026-11-28T10:00:00Z")
TODAY = day_of(NOW)
SPRING = Campaign(
    "acme", "spring", NOW, Counts(1_000_000_007, 34, 1, 2, 3, 4, 34, 29), over=True,
    over_since=NOW - 123, days={TODAY - 1: Counts(7, 6, 5, 4, 3, 2, 1, 0), TODAY: Counts(90, 4)},
)  # fmt: skip


@pytest.fixture
def dsn(postgres_dsn: str) -> str:
    """An empty schema of its own."""
    with psycopg.connect(postgres_dsn, autocommit=True) as admin:
        admin.execute("DROP SCHEMA IF EXISTS campaigns CASCADE; CREATE SCHEMA campaigns")
    between = "&" if "?" in postgres_dsn else "?"
    return f"{postgres_dsn}{between}options=-csearch_path%3Dcampaigns"


@pytest.fixture
def statistics(dsn: str) -> Iterator[Statistics]:
    """A connection, the tables made."""
    opened = Statistics.open(dsn)
    opened.create()
    yield opened
    opened.close()


def known(campaign: Campaign) -> Campaign:
    """As the database has it: of how it was counted it knows nothing."""
    return Campaign(
        campaign.controller, campaign.campaign, campaign.at, campaign.whole, campaign.over,
        campaign.over_since, dict(campaign.days),
    )  # fmt: skip


@pytest.mark.rule("SILENT-RATIO")
def test_what_was_counted_comes_back(statistics: Statistics, dsn: str) -> None:
    """Every number, moment and day; a report from it has the digest of one from the log."""
    autumn = Campaign("acme", "autumn", NOW, Counts(1))
    assert statistics.put([SPRING, autumn]) == 4
    statistics.create()  # there already: nothing is lost
    again = Statistics.open(dsn)
    assert again.campaigns() == [autumn, known(SPRING)]
    told = report(again.campaigns()[1], None, None, "PostgreSQL", NOW)
    assert told.sha256() == report(SPRING, None, None, "noli.campaigns", NOW).sha256()
    again.close()


def test_a_row_never_goes_back(statistics: Statistics, dsn: str) -> None:
    """Fewer calls, or as many at an earlier time, are passed over; whoever writes them."""
    statistics.put([SPRING])
    late = Campaign("acme", "spring", NOW + 9, Counts(5, 5), days={TODAY: Counts(1, 1)})
    earlier = Campaign(
        "acme", "spring", NOW - 1, SPRING.whole._replace(holds_confirmed=0), days={
            TODAY - 1: SPRING.days[TODAY - 1]._replace(holds_confirmed=9)
        },
    )  # fmt: skip
    other = Statistics.open(dsn)
    other.put([late])
    other.put([earlier])
    assert other.campaigns() == [known(SPRING)]
    confirmed = Campaign(
        "acme", "spring", NOW + 1, SPRING.whole._replace(holds_confirmed=34), over=False,
        days={TODAY - 1: SPRING.days[TODAY - 1]._replace(holds_confirmed=1)},
    )  # fmt: skip
    other.put([confirmed])
    (found,) = other.campaigns()
    assert (found.over, found.over_since, found.whole.holds_confirmed) == (False, None, 34)
    assert found.days[TODAY - 1].holds_confirmed == 1
    assert found.days[TODAY] == SPRING.days[TODAY]
    other.close()


def test_a_day_that_stands_is_not_written_again(statistics: Statistics) -> None:
    """A beat a second costs a row per campaign that changed, not two years of them."""
    assert statistics.put([SPRING]) == 3
    assert statistics.put([SPRING]) == 1
    more = Campaign("acme", "spring", NOW + 1, SPRING.whole, days={TODAY: Counts(91, 4)})
    assert statistics.put([more]) == 2


def test_days_older_than_the_record_stay(statistics: Statistics) -> None:
    """The log forgets a day after two years; the database does not by itself."""
    statistics.put([SPRING])
    statistics.put([Campaign("acme", "spring", NOW + 1, SPRING.whole, days={TODAY: Counts(90, 4)})])
    assert sorted(statistics.campaigns()[0].days) == [TODAY - 1, TODAY]


@pytest.mark.rule("SILENT-RATIO")
def test_only_what_need_not_be_kept_is_purged(statistics: Statistics) -> None:
    """Two years and a month stay, whoever asks."""
    today = day_date(TODAY)
    first = oldest_kept(today)
    days = {TODAY - (today - day).days: Counts(1) for day in (first, first - timedelta(1), today)}
    statistics.put([Campaign("acme", "old", NOW, Counts(3), days=days)])
    with pytest.raises(TooYoung, match="kept until"):
        statistics.purge(first + timedelta(1), today)
    assert len(statistics.campaigns()[0].days) == 3
    assert statistics.purge(first, today) == 1
    assert [day_date(day) for day in sorted(statistics.campaigns()[0].days)] == [first, today]


def test_a_database_that_fails_says_so_without_its_address(dsn: str) -> None:
    """Neither host nor password; what was begun is undone."""
    with pytest.raises(Unusable, match="connecting") as told:
        Statistics.open("postgresql://user:geheim@127.0.0.1:1/none")
    assert "geheim" not in str(told.value)
    opened = Statistics.open(dsn)
    with pytest.raises(Unusable, match="writing: 42P01"):
        opened.put([SPRING])
    opened.create()
    assert opened.put([SPRING]) == 3
    broken = Campaign("acme", "x" * 3, NOW, Counts(1 << 70))
    with pytest.raises(Unusable):
        opened.put([Campaign("acme", "fine", NOW, Counts(1)), broken])
    assert [each.campaign for each in opened.campaigns()] == ["spring"]
    opened.close()


def test_days_are_dates(statistics: Statistics) -> None:
    """Whoever reads the table by SQL finds the day by its date."""
    statistics.put([SPRING])
    rows = statistics._connection.execute("SELECT day FROM noli_campaign_day ORDER BY 1").fetchall()
    assert [row["day"] for row in rows] == [date(2026, 11, 27), date(2026, 11, 28)]


class Told:
    """noli.campaigns of its own, told by hand; and the writer's process."""

    def __init__(self, stack: Stack, dsn: str, folder: Path) -> None:
        with subjects.connected(stack.registry) as client:
            subjects.apply(client, subjects.plan(client))
        settings = stack.settings(data=folder)
        self.topic = stack.topic("campaigns", 2, cleanup_policy="compact")
        self.environment = {
            **os.environ, "NOLI_KAFKA": stack.kafka, "NOLI_REGISTRY": stack.registry,
            "NOLI_DATA": str(folder), "NOLI_CAMPAIGNS_TOPIC": self.topic,
            "NOLI_CAMPAIGNS_DSN": dsn, "NOLI_HTTP_PORT": "0",
        }  # fmt: skip
        self._codec = registry.codec(settings)
        self._producer = Producer(producer_config(settings))

    def tell(self, campaign: Campaign, partition: int = 0) -> None:
        """A record of a campaign."""
        value = self._codec.encode("noli.Campaign", campaign_record(campaign, "watch-0"))
        key = campaign_key(campaign.controller, campaign.campaign)
        self._producer.produce(self.topic, value, key, partition)
        assert self._producer.flush(20) == 0

    @contextmanager
    def writer(self, **over: str) -> Iterator[subprocess.Popen[bytes]]:
        """`python -m noli.campaigns`, killed at the end."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "noli.campaigns"], env={**self.environment, **over}
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.mark.rule("SILENT-RATIO")
def test_a_process_keeps_the_statistics(stack: Stack, dsn: str, tmp_path: Path) -> None:
    """What stood in the log and what comes; killed and restarted, nothing is lost or twice."""
    told = Told(stack, dsn, tmp_path)
    told.tell(SPRING)
    reader = Statistics.open(dsn)
    reader.create()
    with told.writer():
        assert soon(lambda: reader.campaigns() == [known(SPRING)])
    autumn = Campaign("acme", "autumn", NOW, Counts(1), days={TODAY: Counts(1)})
    told.tell(autumn, 1)
    with told.writer() as process:
        assert soon(lambda: reader.campaigns() == [autumn, known(SPRING)])
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    result = CliRunner().invoke(
        app, ["report", "spring", "--controller", "acme", "--json", "--data", str(tmp_path)],
        env={name: told.environment[name] for name in told.environment if "NOLI_" in name},
    )  # fmt: skip
    assert json.loads(result.stdout)["source"] == "PostgreSQL"
    reader.close()


def test_a_process_without_a_database_says_what_to_set(
    stack: Stack, dsn: str, tmp_path: Path
) -> None:
    """It ends at once: nobody may believe that statistics are kept."""
    told = Told(stack, dsn, tmp_path)
    with told.writer(NOLI_CAMPAIGNS_DSN="") as process:
        assert process.wait(20) == 1
