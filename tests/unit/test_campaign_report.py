"""The report of a campaign: what is told, that it can be checked, and how it is asked for."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from noli.campaigns import page
from noli.campaigns.log import Latest
from noli.campaigns.report import Report, day_date, report
from noli.campaigns.statistics import oldest_kept
from noli.cli import campaign as command
from noli.cli.problem import ProblemError
from noli.domain import times
from noli.domain.campaigns import NONE, Counts, day_of, ratio
from noli.runtime.settings import Settings
from noli.wire.campaigns import Campaign, campaign_key, campaign_record
from tests.support.step import CODEC

NOW = times.parse("2026-11-28T10:00:00Z")
TODAY = day_of(NOW)
DAYS = {
    TODAY - 40: Counts(500, 10, 1, 2, 3, 4, 10, 10),
    TODAY - 1: Counts(1_200, 20, 0, 0, 0, 0, 20, 19),
    TODAY: Counts(90, 4, 0, 0, 0, 0, 4, 0),
}
WHOLE = Counts(1_790, 34, 1, 2, 3, 4, 34, 29)
SPRING = Campaign("acme", "spring", NOW, WHOLE, over=True, over_since=NOW - 5, days=DAYS)


def made(campaign: Campaign = SPRING, **days: date) -> Report:
    """A report over all days, unless told otherwise."""
    return report(campaign, days.get("first"), days.get("last"), "noli.campaigns", NOW)


def test_it_covers_the_days_asked_for() -> None:
    """All of them by default; the whole campaign stands beside the period."""
    assert [day for day, _ in made().days] == [day_date(day) for day in DAYS]
    assert (made().first, made().last, made().period) == (
        date(2026, 10, 19),
        date(2026, 11, 28),
        WHOLE,
    )
    some = made(first=date(2026, 11, 1), last=date(2026, 11, 27))
    assert some.period == DAYS[TODAY - 1]
    assert some.data()["whole"]["silent"] == 34
    with pytest.raises(ValueError, match="no day from 2026-11-28 to 2026-11-27"):
        made(first=date(2026, 11, 28), last=date(2026, 11, 27))
    empty = made(Campaign("acme", "new", NOW))
    assert (empty.days, empty.period, empty.first) == ([], NONE, date(2026, 11, 28))


@pytest.mark.parametrize(
    "counts, silent",
    [(NONE, 0.0), (Counts(0, 2), 2.0), (Counts(100, 3), 3.0), (Counts(400, 6), 1.5)],
)
def test_the_ratio_is_of_a_hundred_at_least(counts: Counts, silent: float) -> None:
    """As the law judges it."""
    assert ratio(counts) == silent


def test_its_digest_can_be_made_anew_from_its_json() -> None:
    """By any program; another number is another digest, another print is not."""
    told = json.loads(made().json())
    again = json.dumps(told["data"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(again.encode()).hexdigest() == told["sha256"] == made().sha256()
    later = report(SPRING, None, None, "PostgreSQL", NOW + 1)
    assert later.sha256() == made().sha256()
    other = Campaign("acme", "spring", NOW, WHOLE, over=True, over_since=NOW - 5,
                     days={**DAYS, TODAY: Counts(91, 4)})  # fmt: skip
    assert made(other).sha256() != made().sha256()


def test_the_table_has_a_row_a_day() -> None:
    """With every number, and whether the day was over its ratio."""
    rows = [*csv.DictReader(io.StringIO(made().csv(), newline=""))]
    assert rows[0] == {
        "controller": "acme", "campaign": "spring", "day": "2026-10-19", "attended": "500",
        "silent": "10", "late_cuts": "1", "no_comfort_noise": "2", "cut_unrecorded": "3",
        "noise_unrecorded": "4", "holds_due": "10", "holds_confirmed": "10", "ratio": "2.00",
        "exceeded": "false",
    }  # fmt: skip
    assert [row["exceeded"] for row in rows] == ["false", "false", "true"]


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\tx"])
def test_no_name_is_a_formula(name: str) -> None:
    """Whoever named the campaign does not run in the inspector's spreadsheet."""
    named = Campaign("acme", name, NOW, NONE, days={TODAY: Counts(1)})
    (row,) = csv.DictReader(io.StringIO(made(named).csv(), newline=""))
    assert row["campaign"] == f"'{name}"


class Page(HTMLParser):
    """Tags still open, what they load, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag."""
        self.loads += [str(value) for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "br", "line", "rect", "link"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that is whole."""
        self.loads += [str(value) for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        """The end of one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text."""
        self.text += data


def test_the_page_needs_nothing_else_and_tells_all() -> None:
    """Sound HTML without a script or an address; both languages; every number of the data."""
    text = page.html(made())
    found = Page(text)
    assert (found.open, found.loads) == ([], [])
    assert "<script" not in text
    for word in (
        "Statistica delle chiamate mute", "Silent call statistics", "provvedimento generale",
        "Oltre il limite dal 2026-11-28 09:59:59 UTC", "Over the limit", "2026-10-19 – 2026-11-28",
        "▲ 4,00", "1\u202f790", "1,90", made().sha256(), "noli campaign report spring",
    ):  # fmt: skip
        assert word in found.text, word
    within = page.html(made(Campaign("acme", "autumn", NOW, Counts(100, 3), days={TODAY: NONE})))
    assert "Entro il limite" in within
    assert "Nessuna chiamata" in page.html(made(Campaign("acme", "new", NOW)))


def test_a_name_is_text_on_the_page() -> None:
    """Whatever stands in it."""
    named = Campaign("a&b", "<script>alert(1)</script>'", NOW, NONE, days={TODAY: Counts(1)})
    text = page.html(made(named))
    assert "<script" not in text
    assert "<script>alert(1)</script>'" in Page(text).text
    assert Page(text).open == []


def test_the_last_record_that_stands_is_told() -> None:
    """One that counted fewer calls, a beacon, and what nobody can read are passed over."""
    latest = Latest(CODEC)
    key = campaign_key("acme", "spring")

    def take(campaign: Campaign) -> None:
        latest.take(key, CODEC.encode("noli.Campaign", campaign_record(campaign, "watch-0")))

    take(SPRING)
    assert latest.taken() == [SPRING]
    take(Campaign("acme", "spring", NOW + 1, Counts(1, 1)))
    latest.take(key, b"junk")
    beacon = {"partition": 0, "as_of": 1, "at": 1, "read": 1, "watcher": "w"}
    latest.take(b"beacon", CODEC.encode("noli.CampaignBeacon", beacon))
    assert (latest.taken(), [*latest.campaigns.values()]) == ([], [SPRING])


AUTUMN = Campaign("acme", "autumn", NOW, Counts(7, 1), days={TODAY: Counts(7, 1)})


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """`noli campaign …` over two campaigns of the log; what it prints."""
    monkeypatch.delenv("NOLI_CAMPAIGNS_DSN", raising=False)
    monkeypatch.setattr(command, "_from_log", lambda _: [AUTUMN, SPRING])
    monkeypatch.setattr(command, "_settings", lambda _: Settings())

    def asked(*words: str) -> str:
        result = CliRunner().invoke(command.app, [*words, "--data", str(tmp_path)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.stdout

    return asked


def test_campaigns_are_listed(run: Callable[..., str]) -> None:
    """For people and for programs; only those over their ratio, only one controller's."""
    assert "acme · spring" in run("list")
    both = json.loads(run("list", "--json"))
    assert [(each["campaign"], each["over"], each["ratio"]) for each in both] == [
        ("autumn", False, "1.00"), ("spring", True, "1.90"),
    ]  # fmt: skip
    assert [each["campaign"] for each in json.loads(run("list", "--over", "--json"))] == ["spring"]
    assert json.loads(run("list", "--controller", "other", "--json")) == []
    assert "no campaign" in run("list", "--controller", "other")


def test_a_report_is_written_in_each_form(run: Callable[..., str], tmp_path: Path) -> None:
    """To standard output, or to a file."""
    asked = ("report", "spring", "--controller", "acme")
    assert run(*asked).startswith("<!doctype html>")
    assert run(*asked, "--csv").startswith("controller,campaign,day,")
    told = json.loads(run(*asked, "--json", "--from", "2026-11-01", "--to", "2026-11-27"))
    assert [day["day"] for day in told["data"]["days"]] == ["2026-11-27"]
    assert told["source"] == "noli.campaigns"
    run(*asked, "--html", "--out", str(tmp_path / "r.html"))
    assert (tmp_path / "r.html").read_text("utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    "words, problem",
    [
        (("report", "winter", "--controller", "acme"), "there are: autumn, spring"),
        (("report", "spring", "--controller", "other"), "there are: none yet"),
        (("report", "spring", "--controller", "acme", "--from", "soon"), "--from is not a day"),
        (
            ("report", "spring", "--controller", "acme", "--from", "2026-12-01"),
            "no day from 2026-12-01",
        ),
        (
            ("report", "spring", "--controller", "acme", "--out", "/nowhere/r.html"),
            "No such file",
        ),
        (("store",), "no database of statistics is configured"),
        (("purge", "--before", "2026-01-01"), "they are kept until"),
        (("purge", "--before", "soon"), "--before is not a day"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_remedy(
    run: Callable[..., str], words: tuple[str, ...], problem: str
) -> None:
    """The fact and what to do, no traceback."""
    with pytest.raises(ProblemError, match=problem) as told:
        run(*words)
    assert told.value.remedy


class Database:
    """Statistics in memory."""

    def __init__(self) -> None:
        self.rows: list[Campaign] = []
        self.purged: list[date] = []

    def create(self) -> None:
        """Nothing to make."""

    def put(self, campaigns: list[Campaign]) -> int:
        """Keep."""
        self.rows = [*campaigns]
        return len(campaigns)

    def campaigns(self) -> list[Campaign]:
        """All."""
        return self.rows

    def purge(self, before: date, _today: date) -> int:
        """Tell."""
        self.purged.append(before)
        return 5


def test_a_database_is_filled_read_and_purged_on_demand(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one is configured reports come from it; nothing is deleted without --yes."""
    database = Database()

    @contextmanager
    def opened(_: Settings) -> Iterator[Any]:
        yield database

    monkeypatch.setattr(command, "_statistics", opened)
    assert run("store") == "2 campaigns, 2 rows written\n"
    monkeypatch.setenv("NOLI_CAMPAIGNS_DSN", "postgresql://nowhere")
    told = json.loads(run("report", "spring", "--controller", "acme", "--json"))
    assert told["source"] == "PostgreSQL"
    assert "would delete" in run("purge", "--before", "2020-01-01")
    assert run("purge", "--before", "2020-01-01", "--yes") == "5 rows deleted\n"
    assert database.purged == [date(2020, 1, 1)]


def test_two_years_and_a_month_are_kept() -> None:
    """Statistics of a day may be asked for so long."""
    assert oldest_kept(date(2026, 11, 28)) == date(2024, 10, 27)
