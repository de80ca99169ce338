"""`noli decide`: scenario files with the answers they must give, and files that are broken.

Each `scenarios/NAME.ndjson` goes with `NAME.expected.ndjson`: one line per question, holding the
fields that must match; of `reasons`, those that must be among the given.
"""

from __future__ import annotations

import io
import json
import random
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from noli.cli.decide import decide, judge
from noli.domain import times
from tests.support.law import PHONE, on, raw

SCENARIOS: Final = Path(__file__).parent / "scenarios"
NAMES: Final = sorted(
    path.stem for path in SCENARIOS.glob("*.ndjson") if ".expected" not in path.name
)
CONSENT: Final = {"purpose": "marketing", "channels": ["sms"], "evidence": {"ref": "f"}}
ASK: Final = {
    "controller": "acme", "contact": PHONE, "channel": "sms", "purpose": "marketing",
    "at": "2026-02-01T00:00:00Z",
}  # fmt: skip
Line = dict[str, Any]


def told(*lines: Line | bytes | str, now: int = on(60)) -> tuple[int, list[Line], str]:
    """Exit code, verdicts and stderr of a file of these lines."""
    out, err = io.StringIO(), io.StringIO()
    raw_lines = [
        json.dumps(line).encode() if isinstance(line, dict) else
        line.encode() if isinstance(line, str) else line
        for line in lines
    ]  # fmt: skip
    code = judge(raw_lines, now, out, err)
    return code, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_gives_the_expected_answers(name: str) -> None:
    """Every question, in order; exit code 0."""
    out, err = io.StringIO(), io.StringIO()
    assert decide(str(SCENARIOS / f"{name}.ndjson"), out, err) == 0, err.getvalue()
    expected = (SCENARIOS / f"{name}.expected.ndjson").read_text("utf-8").splitlines()
    for line, answer in zip(expected, out.getvalue().splitlines(), strict=True):
        wanted, given = json.loads(line), json.loads(answer)
        assert set(wanted.pop("reasons", [])) <= set(given["reasons"])
        assert wanted == {field: given[field] for field in wanted}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_event_lines_never_changes_an_answer(name: str, seed: int) -> None:
    """Events shuffled, also behind the questions: the same output."""
    lines = (SCENARIOS / f"{name}.ndjson").read_bytes().splitlines()
    asks = [line for line in lines if b'"ask"' in line]
    events = [line for line in lines if b'"ask"' not in line]
    random.Random(seed).shuffle(events)
    assert told(*events, *asks) == told(*lines)
    assert told(*asks, *events) == told(*lines)


def test_a_verdict_is_one_line_of_five_fields() -> None:
    """allowed, basis, reasons, conditions, until."""
    event = raw("consent.given", 1, **{**CONSENT, "channels": ["operator_call"]})
    ask = {**ASK, "channel": "operator_call", "at": "2026-01-05T00:00:00+01:00"}
    assert told({"event": event}, {"ask": ask}) == (
        0,
        [{"allowed": True, "basis": "consent", "reasons": [], "conditions": [],
          "until": times.text(on(16))}],
        "",
    )  # fmt: skip


def test_moments_left_out() -> None:
    """`accepted` is the event's time, or now; `at` is now."""
    event = raw("consent.given", None, **CONSENT)
    now_ask = {key: value for key, value in ASK.items() if key != "at"}
    _, verdicts, _ = told({"event": event}, {"ask": ASK}, {"ask": now_ask})
    assert [verdict["allowed"] for verdict in verdicts] == [False, True]
    _, verdicts, _ = told({"event": raw("consent.given", 1, **CONSENT)}, {"ask": ASK})
    assert verdicts[0]["allowed"]


def test_the_same_post_twice_counts_from_its_earlier_acceptance() -> None:
    """In either order of lines: a retry neither lifts nor denies anything."""
    event = raw("consent.given", None, **CONSENT)
    objection = raw("objection.raised", 10)
    first = {"event": event, "accepted": times.text(on(2))}
    retry = {"event": event, "accepted": times.text(on(20))}
    for lines in ((first, retry), (retry, first)):
        _, verdicts, _ = told(*lines, {"event": objection}, {"ask": ASK})
        assert verdicts[0]["reasons"] == ["OBJECTED"]


@pytest.mark.parametrize(
    "line,cause",
    [
        ("{", "not JSON"),
        ("[1]", "give"),
        ('{"event": 1}', "give"),
        ("{}", "give"),
        (b"\xff\xfe", "not JSON"),
        ({"event": raw("no.such.type", 1)}, "type"),
        ({"event": raw("consent.given", 1)}, "data.purpose"),
        ({"event": raw("consent.given", 1, **CONSENT), "accepted": "soon"}, "accepted"),
        ({"event": raw("consent.given", 1, **CONSENT), "accepted": 7}, "accepted"),
    ],
)
def test_an_unreadable_line_is_reported_and_the_others_are_answered(
    line: Line | bytes | str, cause: str
) -> None:
    """Exit code 2, its number and cause on stderr, every other question answered."""
    good = {"event": raw("consent.given", 1, **CONSENT)}
    code, verdicts, err = told(good, "", line, {"ask": ASK})
    assert code == 2
    assert err.startswith("line 3: ")
    assert cause in err
    assert [verdict["allowed"] for verdict in verdicts] == [True]


@pytest.mark.parametrize(
    "change",
    [
        {"controller": None}, {"contact": "333"}, {"channel": None}, {"purpose": 4},
        {"at": "soon"}, {"brand": 7}, {"contact": {"kind": "phone", "value": "call me"}},
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_asked_is_denied_and_reported(change: Line) -> None:
    """One verdict per question all the same, so that lines stay aligned."""
    code, verdicts, err = told({"ask": {**ASK, **change}}, {"ask": ASK})
    assert (code, len(verdicts)) == (2, 2)
    assert not verdicts[0]["allowed"]
    assert err.startswith("line 1: ask.")
    assert "call me" not in err


def test_a_question_that_is_no_object_is_denied_too() -> None:
    """As above."""
    code, verdicts, _ = told({"ask": "may I?"})
    assert (code, [verdict["allowed"] for verdict in verdicts]) == (2, [False])


@pytest.mark.parametrize(
    "change,reason",
    [({"channel": "telepathy"}, "CHANNEL_MISMATCH"), ({"purpose": "selling"}, "NO_BASIS")],
)
def test_an_unknown_symbol_in_a_question_is_denied(change: Line, reason: str) -> None:
    """Read, and answered with the most restrictive reading."""
    event = {"event": raw("consent.given", 1, **CONSENT)}
    code, verdicts, _ = told(event, {"ask": {**ASK, **change}})
    assert (code, verdicts[0]["allowed"], verdicts[0]["reasons"]) == (0, False, [reason])


def test_an_objection_of_an_unreadable_contact_denies_it_and_is_reported() -> None:
    """Quarantined: whoever asks for the same text is denied by name; others are not touched."""
    broken = {"kind": "phone", "value": "call me"}
    objection = {"event": raw("objection.raised", 1, contact=broken)}
    good = {"event": raw("consent.given", 1, **CONSENT)}
    code, verdicts, err = told(good, objection, {"ask": {**ASK, "contact": broken}}, {"ask": ASK})
    assert code == 2
    assert "QUARANTINED" in verdicts[0]["reasons"]
    assert verdicts[1]["allowed"]
    assert err.startswith("line 2: data.contact.value")


def test_an_objection_with_an_unreadable_acceptance_still_denies() -> None:
    """It counts as accepted now, and the line is reported."""
    given = {"event": raw("consent.given", 1, **CONSENT)}
    objection = {"event": raw("objection.raised", 2), "accepted": "??"}
    ask = {**ASK, "at": "2026-12-31T00:00:00Z"}
    code, verdicts, _ = told(given, objection, {"ask": ask})
    assert (code, verdicts[0]["reasons"]) == (2, ["OBJECTED"])


def test_a_file_that_is_not_there_is_said_so() -> None:
    """Exit code 2 and the remedy, no traceback."""
    out, err = io.StringIO(), io.StringIO()
    assert decide(str(SCENARIOS / "no-such.ndjson"), out, err) == 2
    assert "give a readable file" in err.getvalue()


def test_standard_input_is_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    """`noli decide -` reads what is piped in."""
    piped = io.TextIOWrapper(io.BytesIO(json.dumps({"ask": ASK}).encode()))
    monkeypatch.setattr(sys, "stdin", piped)
    out = io.StringIO()
    assert decide("-", out, io.StringIO()) == 0
    assert json.loads(out.getvalue())["reasons"] == ["NO_BASIS"]


def test_the_examples_are_there() -> None:
    """The three that the specification gives, at least."""
    assert {"consent-extends", "objection-wins", "soft-opt-in"} <= set(NAMES)
