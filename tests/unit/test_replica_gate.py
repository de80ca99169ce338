"""The gate: what opens it, and everything that keeps it shut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from noli.domain.contact import Contact
from noli.domain.question import Question
from noli.domain.token import Pepper
from noli.replica import client
from noli.replica import gate as gates
from noli.replica.gate import Answer, Gate
from tests.support.copies import (
    ALICE,
    BOB,
    CONTROLLER,
    NOW,
    PEPPER,
    decision,
    denial,
    fresh,
    row,
)

CALL = ("operator_call", "marketing")


@contextmanager
def gate_over(copy: Path, pepper: Pepper = PEPPER) -> Iterator[Gate]:
    """A gate with the default lease."""
    with Gate.open(copy, pepper=pepper) as gate:
        yield gate


def ask(copy: Path, contact: Contact | tuple[str, str] = ALICE, **over: Any) -> Answer:  # noqa: ANN401 - fields of Question
    """One question of a gate opened for it."""
    question = {"channel": "operator_call", "purpose": "marketing", **over}
    with gate_over(copy) as gate:
        return gate.check_many([Question(CONTROLLER, contact, **question)])[0]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second after the newest beacon."""
    at(monkeypatch, NOW + 1_000)


def at(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """Set the gate's clock, milliseconds since the epoch."""
    monkeypatch.setattr(gates, "now_ms", lambda: moment)


def test_a_recorded_allowance_opens_the_gate(tmp_path: Path) -> None:
    """A row that allows, in a fresh copy, is answered with its basis, until and as_of."""
    fresh(tmp_path, [(ALICE, decision([row(until=NOW + 5_000, lapse=["REGISTERED"])]))])
    assert ask(tmp_path) == Answer(
        allowed=True, basis="consent", reasons=(), conditions=(), until=NOW + 5_000, as_of=NOW
    )


def test_a_contact_is_read_as_people_write_it(tmp_path: Path) -> None:
    """(kind, value) is normalised: a national Italian number finds its E.164 decision."""
    fresh(tmp_path, [(ALICE, decision([row()]))])
    with gate_over(tmp_path) as gate:
        assert gate.check(CONTROLLER, ("phone", "333 123 4567"), *CALL).allowed


@pytest.mark.rule("NO-BASIS")
def test_an_unknown_contact_is_denied(tmp_path: Path) -> None:
    """Nobody knows Bob, and Alice is known to acme only: NO_BASIS."""
    fresh(tmp_path, [(ALICE, decision([row()]))])
    with gate_over(tmp_path) as gate:
        bob = gate.check(CONTROLLER, BOB, "email", "marketing")
        elsewhere = gate.check("another", ALICE, *CALL)
    assert (bob.allowed, bob.reasons, bob.as_of) == (False, ("NO_BASIS",), NOW)
    assert (elsewhere.allowed, elsewhere.reasons) == (False, ("NO_BASIS",))


@pytest.mark.rule("NO-BASIS")
def test_a_pair_in_no_row_is_denied(tmp_path: Path) -> None:
    """What the decision does not speak of is denied; what it allows is not."""
    fresh(tmp_path, [(ALICE, decision([row()]))])
    assert ask(tmp_path).allowed
    assert ask(tmp_path, channel="sms").reasons == ("NO_BASIS",)
    assert ask(tmp_path, purpose="profiling").reasons == ("NO_BASIS",)


@pytest.mark.parametrize("over", [{"channel": "telepathy"}, {"purpose": "fun"}, {"channel": ""}])
def test_an_unknown_symbol_is_denied(tmp_path: Path, over: dict[str, Any]) -> None:
    """A channel or purpose that nobody has heard of is no reason to raise, and none to allow."""
    fresh(tmp_path, [(ALICE, decision([row()]))])
    assert ask(tmp_path, **over) == Answer(False, None, ("NO_BASIS",), (), None, NOW)


def test_a_channel_that_cannot_reach_the_contact_is_a_mismatch(tmp_path: Path) -> None:
    """An e-mail to a phone is denied as CHANNEL_MISMATCH, whatever a row says."""
    fresh(tmp_path, [(ALICE, decision([row(channels=["email", "sms"])]))])
    assert ask(tmp_path, channel="email").reasons == ("CHANNEL_MISMATCH",)
    assert ask(tmp_path, channel="sms").allowed


@pytest.mark.parametrize(
    "contact",
    [("phone", "call me"), ("pigeon", "coo"), ("phone", ""), ("phone", "\ud800"), None, 7],
)
def test_a_contact_that_cannot_be_read_is_denied(
    tmp_path: Path,
    contact: Any,  # noqa: ANN401 - what no type allows
) -> None:
    """The question beside it is answered all the same."""
    fresh(tmp_path, [(ALICE, decision([row()]))])
    with gate_over(tmp_path) as gate:
        broken, good = gate.check_many(
            [Question(CONTROLLER, contact, *CALL), Question(CONTROLLER, ALICE, *CALL)]
        )
    assert (broken.allowed, broken.reasons) == (False, ("QUARANTINED",))
    assert good.allowed


@pytest.mark.rule("OBJECT")
def test_an_objection_is_told_with_its_reason(tmp_path: Path) -> None:
    """A denial gives its reasons; another contact's allowance is untouched."""
    objected = denial("OBJECTED", channels=["email"])
    fresh(tmp_path, [(ALICE, decision([row()])), (BOB, decision([objected]))])
    assert ask(tmp_path, BOB, channel="email").reasons == ("OBJECTED",)
    assert ask(tmp_path, ALICE).allowed


@pytest.mark.rule("REGISTER-FRESH")
def test_an_allowance_lapses_at_the_moment_of_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good up to and including `until`; a millisecond later denied for the row's `lapse`."""
    fresh(tmp_path, [(ALICE, decision([row(until=NOW + 50, lapse=["REGISTER_CHECK_STALE"])]))])
    at(monkeypatch, NOW + 50)
    assert ask(tmp_path).allowed
    at(monkeypatch, NOW + 51)
    assert ask(tmp_path) == Answer(False, None, ("REGISTER_CHECK_STALE",), (), None, NOW)


@pytest.mark.rule("SILENT-HOLD")
def test_a_denial_does_not_open_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its `until` a denial stays one: only a new decision lifts it."""
    fresh(tmp_path, [(ALICE, decision([denial("SILENT_CALL_HOLD", until=NOW + 50)]))])
    at(monkeypatch, NOW + 51)
    assert ask(tmp_path).reasons == ("SILENT_CALL_HOLD",)


def test_a_later_moment_can_be_asked_for(tmp_path: Path) -> None:
    """`at` ahead sees the lapse that is to come; `at` behind reads as now."""
    fresh(tmp_path, [(ALICE, decision([row(until=NOW + 5_000, lapse=["REGISTERED"])]))])
    assert ask(tmp_path, at=NOW + 5_001).reasons == ("REGISTERED",)
    assert ask(tmp_path, at=NOW - 5_000).allowed


@pytest.mark.rule("SOFT-OPT-IN-PRODUCT")
def test_products_open_for_their_categories_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked with the category: allowed; without, or with another: denied, naming them; lapsing."""
    soft = denial(
        "PRODUCT_REQUIRED",
        channels=["email"],
        products=["shoes"],
        until=NOW + 2_000,
        lapse=["OBJECTED"],
    )
    fresh(tmp_path, [(BOB, decision([soft]))])
    assert ask(tmp_path, BOB, channel="email", product="shoes").basis == "soft_opt_in"
    without = ask(tmp_path, BOB, channel="email")
    assert (without.allowed, without.reasons) == (False, ("PRODUCT_REQUIRED",))
    assert without.conditions == ("shoes",)
    other = ask(tmp_path, BOB, channel="email", product="hats")
    assert (other.allowed, other.reasons) == (False, ("PRODUCT_NOT_ANALOGOUS",))
    at(monkeypatch, NOW + 2_001)
    assert ask(tmp_path, BOB, channel="email", product="shoes").reasons == ("OBJECTED",)


def test_brands_are_answered_as_the_law_has_it(tmp_path: Path) -> None:
    """A named brand by its rows, another by those of the other brands, none by `*`."""
    rows = [denial("NO_BASIS"), row(brand="", conditions=["other"]), denial("OBJECTED", brand="a")]
    fresh(tmp_path, [(ALICE, decision(rows))])
    assert ask(tmp_path).reasons == ("NO_BASIS",)
    assert ask(tmp_path, brand="*").reasons == ("NO_BASIS",)
    assert ask(tmp_path, brand="a").reasons == ("OBJECTED",)
    assert ask(tmp_path, brand="b").conditions == ("other",)
    assert ask(tmp_path, brand="c").allowed


def test_the_pepper_may_be_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`client.Gate.open(path)` is all a dialer needs; without a pepper it says so at once."""
    fresh(tmp_path, [(ALICE, decision([row()]))])
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 1_000)
    monkeypatch.setenv("NOLI_PEPPER", PEPPER.secret.hex())
    with client.Gate.open(tmp_path) as gate:
        asked = client.Question(CONTROLLER, ALICE, "operator_call", "marketing")
        assert gate.check_many([asked]) == [gate.check(*asked[:4])]
        assert gate.check(*asked[:4]).allowed
    monkeypatch.delenv("NOLI_PEPPER")
    with pytest.raises(ValueError, match="NOLI_PEPPER is not set"):
        client.Gate.open(tmp_path)
