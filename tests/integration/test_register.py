"""The register of objections on a real broker: list, answer, verdicts; killed and repeated."""

from __future__ import annotations

import csv
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from noli.cli.load import app as load_app
from noli.cli.problem import ProblemError
from noli.domain import events, times
from noli.domain.contact import normalise
from noli.domain.facts import Fact
from noli.domain.token import token
from noli.runtime import broker
from noli.runtime.clock import now_ms
from schemas.names import BULK, OBJECTIONS
from tests.support.blackbox import until
from tests.support.desk import ALWAYS, PEPPER, Decisions, Desk
from tests.support.stack import Stack

KNOWN: Final = 2_000
#: Lines of the load that is killed: three entries of its journal.
LONG: Final = 24_000


def national(number: int) -> str:
    """The number as the register writes it."""
    return f"333{number:07d}"


@pytest.fixture(scope="module")
def desk(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One worker for the module, stopped at its end."""
    made = Desk(stack, tmp_path_factory.mktemp("register"))
    made.worker()
    # Where nothing was committed yet, what stands there is told once all of it is folded (ADR 18).
    until(made.ready, "a worker with nothing to fold", 60)
    yield made
    made.process.send_signal(signal.SIGTERM)
    assert made.process.wait(30) == 0, (made.folder / "worker.log").read_text("utf-8")[-2000:]


@pytest.fixture
def controller() -> str:
    """One that no other test has."""
    return f"register-{secrets.token_hex(6)}"


def event(kind: str, controller: str, number: int, time: int, **data: object) -> Fact:
    """A fact about a number, accepted when it happened."""
    raw = {
        "specversion": "1.0",
        "id": f"{kind}-{number}-{time}",
        "source": "/test",
        "type": f"noli.{kind}.v1",
        "time": times.text(time),
        "data": {
            "controller": controller,
            "contact": {"kind": "phone", "value": national(number)},
            **data,
        },
    }
    return events.parse(raw, time)


def consent(controller: str, number: int, time: int) -> Fact:
    """A proven consent to calls."""
    return event(
        "consent.given", controller, number, time, purpose="marketing",
        channels=["operator_call"], evidence={"ref": "form-7"},
    )  # fmt: skip


def first_said(
    made: Iterable[tuple[bytes, Mapping[str, Any]]], known: set[bytes], who: bytes
) -> tuple[int, int]:
    """Contacts decided for the first time before somebody is heard, and after.

    Who takes over first says again what the last owner said (docs/adr/0016): that is no load.
    """
    keys = [key for key, _ in made]
    place = keys.index(who)
    earlier = set(keys[:place]) - known
    return len(earlier), len(set(keys[place:]) - known - earlier - {who})


def called(decisions: Decisions, controller: str, numbers: Iterable[int]) -> set[int]:
    """Who may be called by an operator for marketing, now."""
    now = now_ms()
    return {
        number
        for number in numbers
        for row in decisions[key(controller, number)]["rows"]
        if row["allowed"]
        and "operator_call" in row["channels"]
        and "marketing" in row["purposes"]
        and (row["until"] is None or now <= row["until"])
    }


def key(controller: str, number: int) -> bytes:
    """The token of a number."""
    return token(PEPPER, controller, normalise("phone", national(number)))


def versions(decisions: Decisions) -> dict[bytes, int]:
    """Version by contact."""
    return {token_: decision["version"] for token_, decision in decisions.items()}


@pytest.mark.rule("REGISTER")
@pytest.mark.rule("REGISTER-FRESH")
def test_from_the_list_to_the_verdicts(desk: Desk, controller: str) -> None:
    """The listed fall but for later consents, checks count, another controller's stay; again: same.

    2,000 numbers are asked for and answered; the second time even without the first's journal.
    """
    now = now_ms()
    as_of = now - times.HOUR
    numbers = range(KNOWN)
    listed = {n for n in numbers if n % 4 == 0}
    later = {n for n in numbers if n % 8 == 0}
    other = f"{controller}-other"
    old = [consent(controller, n, now - 20 * times.DAY) for n in numbers]
    fresh = [consent(controller, n, now - 10 * times.MINUTE) for n in later]
    desk.put([*old, *fresh, consent(other, 0, now - times.DAY)])
    before = desk.decisions(controller)
    assert called(before, controller, numbers) == later, "checks and old consents are stale"

    assert desk.requested(controller) == [national(n) for n in numbers]
    due = [national(n) for n in numbers if n not in later]
    assert desk.requested(controller, "--due", "3d") == due

    bad = {41: "rubbish", 500: f"{national(499)},7", 1_999: "33,0"}
    lines = [bad.get(n, f"{national(n)},{int(n in listed)}") for n in numbers]
    answer = desk.answer("answer.txt", lines)
    given = ("load", answer, "--controller", controller, "--as-of", times.text(as_of), *ALWAYS)
    done = desk.register(*given)
    assert done.exit_code == 2, done.output
    assert "in force" in done.output
    with (desk.folder / "answer.rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["refused_line"] for row in csv.DictReader(file)] == ["42", "501", "2000"]
    after = desk.decisions(controller)
    assert called(after, controller, numbers) == set(numbers) - (listed - later) - bad.keys()
    reasons = {r for row in after[key(controller, 4)]["rows"] for r in row["reasons"]}
    assert "REGISTERED" in reasons
    assert called(desk.decisions(other), other, [0]) == {0}

    for lost_journal in (False, True):
        if lost_journal:
            for journal in (desk.folder / "data").glob("*.json"):
                journal.unlink()
        again = desk.register(*given)
        assert again.exit_code == 2, again.output
        assert ("loaded before" in again.output) is not lost_journal
        assert versions(desk.decisions(controller)) == versions(after)


def test_a_load_killed_goes_on_and_objections_overtake_it(desk: Desk, controller: str) -> None:
    """Loader and worker are killed half way: all is decided; no objection waits for a chunk."""
    answer = desk.answer("long.txt", (f"{national(n)},{n % 2}" for n in range(LONG)))
    as_of = times.text(now_ms() - times.HOUR)
    given = [
        "load", str(answer), "--controller", controller, "--as-of", as_of, *ALWAYS, "--no-wait",
    ]  # fmt: skip
    desk.put([consent(controller, LONG + 1, now_ms() - times.DAY)])
    journals = {*(desk.folder / "data").glob("*.json")}
    started = subprocess.Popen(
        [sys.executable, "-P", "-m", "noli.cli", "register", *given],
        env={**os.environ, **desk.environment}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: len({*(desk.folder / "data").glob("*.json")} - journals) > 0, "a journal", 60)
    started.kill()
    assert started.wait(30) == -signal.SIGKILL, "it was done before it was killed"
    desk.kill()
    resumed = desk.register(*given)
    assert resumed.exit_code == 0, resumed.output
    objector = key(controller, LONG + 1)
    before = len(desk.order(controller, objector))
    desk.append([event("objection.raised", controller, LONG + 1, now_ms(), via="call")])
    desk.worker()
    until(lambda: desk.behind(OBJECTIONS) == 0, "the objection is decided", 60)
    desk.kill()
    assert called(desk.decisions(controller), controller, [LONG + 1]) == set()
    desk.worker()
    again = desk.register(*given[:-1])
    assert "loaded before" in again.output
    assert "in force" in again.output
    decided = desk.decisions(controller)
    missing = [n for n in range(LONG) if key(controller, n) not in decided]
    assert missing == []
    basis = [decided[key(controller, n)]["rows"][0]["reasons"] for n in (0, 1)]
    assert ["REGISTERED" in reasons for reasons in basis] == [False, True]
    made = desk.order(controller, objector)
    overtaken, after = first_said(made[before:], {who for who, _ in made[:before]}, objector)
    assert after > overtaken, "it waited behind most of the load"


def test_only_what_the_controller_knows(desk: Desk, controller: str) -> None:
    """--known-only passes over the other numbers; without it their listing is kept too."""
    now = now_ms()
    desk.put([consent(controller, 1, now - times.DAY)])
    answer = desk.answer("known.txt", [f"{national(1)},0", f"{national(2)},1"])
    as_of = times.text(now - times.HOUR)
    given = ["load", answer, "--controller", controller, "--as-of", as_of, *ALWAYS]
    assert desk.register(*given, "--known-only").exit_code == 0
    assert desk.decisions(controller).keys() == {key(controller, 1)}
    assert desk.register(*given).exit_code == 0
    assert desk.decisions(controller).keys() == {key(controller, 1), key(controller, 2)}


@pytest.mark.parametrize(
    "options, fact",
    [
        (["--as-of", "2099-01-01T00:00:00Z", *ALWAYS], "--as-of is in the future"),
        (["--as-of", "yesterday", *ALWAYS], "--as-of is not a moment"),
        (["--as-of", "2026-01-01T00:00:00Z", *ALWAYS[:2]], "which outcome means listed"),
        (["--as-of", "2026-01-01T00:00:00Z", "--dialect", "fub"], "there is no dialect fub"),
        (["--as-of", "2026-01-01T00:00:00Z", "--dialect", "csv"], "names no column contact"),
        (["--as-of", "2026-01-01T00:00:00Z", *ALWAYS, "--list", "post"], "not for the post list"),
    ],
)
def test_what_cannot_be_loaded_says_why_and_sends_nothing(
    desk: Desk, controller: str, options: list[str], fact: str
) -> None:
    """The file, the dialect or the moment is wrong: no chunk is written."""
    answer = desk.answer("wrong.txt", [f"{national(1)},1"])
    result = desk.register("load", answer, "--controller", controller, *options)
    assert isinstance(result.exception, ProblemError)
    assert fact in result.exception.fact
    assert result.exception.remedy
    assert desk.decisions(controller) == {}


def test_a_file_of_consents_is_loaded(desk: Desk, controller: str) -> None:
    """`noli load`: consents by the bulk lane; an objection among them is refused by name."""
    sheet = desk.folder / "consents.csv"
    rows = [
        "telefono;tipo;finalità;canali;evidence_ref;data",
        f"{national(1)};consent.given;marketing;operator_call;form-1;{times.text(now_ms())}",
        f"{national(2)};objection.raised;;;;",
        f"{national(3)};consent.given;marketing;operator_call;;{times.text(now_ms())}",
    ]
    sheet.write_text("\r\n".join(rows), "utf-8")
    given = [str(sheet), "--controller", controller]
    done = CliRunner().invoke(load_app, given, env=desk.environment)
    assert done.exit_code == 2, done.output
    assert "line 3" in done.output
    decided = desk.decisions(controller)
    assert decided.keys() == {key(controller, 1), key(controller, 3)}
    assert called(decided, controller, [1, 3]) == {1}, "a consent without evidence is void"
    again = CliRunner().invoke(load_app, given, env=desk.environment)
    assert "loaded before" in again.output
    assert versions(desk.decisions(controller)) == versions(decided)


def test_a_stack_without_the_lane_is_told_what_to_do(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older stack lacks noli.bulk: `noli topics apply` is named, and nothing is half done."""
    look = broker.look

    def without(client: object, timeout_s: float = 15.0) -> broker.Cluster:
        found = look(client, timeout_s)  # type: ignore[arg-type]
        topics = {name: size for name, size in found.topics.items() if name != BULK}
        return broker.Cluster(found.id, found.brokers, topics)

    monkeypatch.setattr(broker, "look", without)
    result = desk.register(
        "request", "--controller", "x", "--dialect", "fenix-like", "--out", desk.folder / "r.txt"
    )
    assert isinstance(result.exception, ProblemError)
    assert "noli topics apply" in result.exception.remedy
    assert not (desk.folder / "r.txt").exists()
