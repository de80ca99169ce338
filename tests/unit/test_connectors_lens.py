"""What one application may see of a decision; everything unknown is a denial."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from connectors.lens import Lens, Place
from connectors.manifest import Manifest
from connectors.orders import face, is_probed
from connectors.protocol import Change, Traits, Verdict
from noli.domain import canary
from noli.domain.channel import Kind, Purpose
from tests.support.decisions import CONTROLLER, decision, row, token

PLACE = Place(partition=3, offset=11, as_of=5)
CALLS = {"channels": ["operator_call"]}


def seen(lens: Lens, **over: Any) -> Change | None:  # noqa: ANN401 - fields of a decision
    """The change that a decision about a phone comes to."""
    return lens.change(token(1), decision(1, 7, **over), PLACE)


def verdicts(lens: Lens, *rows: Any, **over: Any) -> dict[tuple[str, str, str], Verdict]:  # noqa: ANN401
    """Its verdicts by pair."""
    change = seen(lens, rows=list(rows), **over)
    assert change is not None
    return {verdict[:3]: verdict for verdict in change.verdicts}


def test_a_change_carries_the_decision() -> None:
    """Token, contact, version, acceptance and place come through."""
    change = seen(Lens([CONTROLLER]), accepted=99)
    assert change is not None
    assert (change.token, change.version, change.accepted) == (token(1).hex(), 7, 99)
    assert (change.partition, change.offset, change.as_of) == PLACE
    assert change.contact is not None
    assert change.contact == ("phone", "+393330000001")
    assert "333" not in repr(change)


def test_every_pair_that_is_served_has_a_verdict() -> None:
    """A pair that stands in no row is denied, said aloud."""
    lens = Lens([CONTROLLER], ["sms", "operator_call", "email"], ["marketing", "profiling"])
    found = verdicts(lens, row(**CALLS, allowed=True, basis="consent"))
    assert {pair: verdict.allowed for pair, verdict in found.items()} == {
        ("sms", "marketing", "*"): False,
        ("sms", "profiling", "*"): False,
        ("operator_call", "marketing", "*"): True,
        ("operator_call", "profiling", "*"): False,
    }
    assert found["sms", "marketing", "*"].reasons == ("NO_BASIS",)


def test_others_are_none_of_its_business() -> None:
    """Another controller's decision, or a kind of contact it has no channel for, is no change."""
    assert seen(Lens(["other"])) is None
    assert seen(Lens([CONTROLLER], ["email", "post"])) is None


def test_an_application_is_told_of_its_own_canaries_only() -> None:
    """Those of its perch; no other perch's, and none where it wants none. People are told of."""
    own, other = (
        {"kind": bird.kind.value, "value": bird.value}
        for bird in (
            canary.flock(Kind.PHONE, Purpose.MARKETING)[3],
            canary.flock(Kind.EMAIL, Purpose.MARKETING)[3],
        )
    )
    lens = Lens([CONTROLLER])
    assert seen(lens, contact=own)
    assert seen(lens, contact=other) is None
    assert seen(Lens([CONTROLLER, "a-controller-before"]), contact=own) is None
    assert seen(Lens([CONTROLLER], canary=False), contact=own) is None
    assert seen(Lens([CONTROLLER], ["email"]), contact=other)
    assert seen(Lens([CONTROLLER], canary=False))


@pytest.mark.parametrize(
    "wanted, alignment, sent",
    [
        (None, "seconds", True),
        (None, "minutes", False),
        (None, "hours", False),
        (True, "hours", True),
        (False, "seconds", False),
    ],
)
def test_canaries_go_where_they_can_be_back_in_time(
    wanted: bool | None, alignment: Literal["seconds", "minutes", "hours"], sent: bool
) -> None:
    """By its manifest, else to an application that is aligned within seconds."""
    app = Manifest(app="crm", sink="webhook", controllers=(CONTROLLER,), canary=wanted)
    assert is_probed(app, Traits(alignment=alignment)) is sent
    assert face(app, Traits(alignment=alignment)).canary is sent


def test_brands_have_verdicts_of_their_own() -> None:
    """For `*` always; for each brand the rows name; and for the brands they do not."""
    lens = Lens([CONTROLLER], ["operator_call"], ["marketing"])
    allowed = {"allowed": True, "basis": "consent"}
    found = verdicts(
        lens, row(**CALLS), row(**CALLS, brand="red"), row(**CALLS, brand="", **allowed)
    )
    assert {pair[2]: verdict.allowed for pair, verdict in found.items()} == {
        "*": False,
        "red": False,
        "": True,
    }


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{**CALLS, "allowed": True, "basis": "unknown"}], id="basis"),
        pytest.param(
            [{"channels": ["unknown"], "allowed": True, "basis": "consent"}], id="channel"
        ),
        pytest.param([{**CALLS, "purposes": ["unknown"], "allowed": True}], id="purpose"),
        pytest.param(
            [{**CALLS, "allowed": True, "basis": "consent"}, {"channels": ["unknown"]}],
            id="denial of an unknown channel",
        ),
        pytest.param(
            [{**CALLS, "allowed": True, "basis": "consent"}, {**CALLS, "purposes": ["unknown"]}],
            id="denial of an unknown purpose",
        ),
        pytest.param(
            [{**CALLS, "allowed": True, "basis": "consent"}, CALLS], id="rows that disagree"
        ),
    ],
)
def test_what_a_newer_build_wrote_reads_as_denied(rows: list[dict[str, Any]]) -> None:
    """An unknown symbol is everything in a denial and nothing in an allowance."""
    lens = Lens([CONTROLLER], ["operator_call"], ["marketing"])
    found = verdicts(lens, *(row(**each) for each in rows))
    assert [verdict.allowed for verdict in found.values()] == [False]


def test_a_contact_nobody_can_name_any_more_is_denied_everywhere() -> None:
    """Erased, or of a kind a newer build knows: every channel served, no value."""
    lens = Lens([CONTROLLER], ["email", "sms"], ["marketing"])
    for contact in (None, {"kind": "unknown", "value": "x"}):
        change = seen(lens, contact=contact, rows=[])
        assert change is not None
        assert change.contact is None
        assert {v[:3]: v.allowed for v in change.verdicts} == {
            ("email", "marketing", "*"): False,
            ("sms", "marketing", "*"): False,
        }


@pytest.mark.rule("DISCLOSURE")
def test_a_third_party_is_granted_nothing_without_leave_to_disclose() -> None:
    """Denied with the reasons of the missing leave; other applications keep the grant."""
    grant = row(**CALLS, allowed=True, basis="consent")
    refused = row(**CALLS, purposes=["third_party_disclosure"], reasons=["OBJECTED"])
    pair = ("operator_call", "marketing", "*")
    third = Lens([CONTROLLER], third_party=True)
    assert verdicts(third, grant)[pair][3:5] == (False, ("NO_BASIS",))
    assert verdicts(third, grant, refused)[pair][3:5] == (False, ("OBJECTED",))
    assert verdicts(Lens([CONTROLLER]), grant, refused)[pair].allowed


@pytest.mark.rule("DISCLOSURE")
def test_a_third_party_with_leave_holds_the_grant_no_longer_than_the_leave() -> None:
    """The earlier end of the two, the conditions of both; a denial is told as it is."""
    purposes = ["third_party_disclosure"]
    grant = row(**CALLS, allowed=True, basis="consent", until=900, conditions=["a"])
    leave = row(
        **CALLS, purposes=purposes, allowed=True, basis="consent", until=500, conditions=["b", "a"]
    )
    denial = row(channels=["sms"], reasons=["WITHDRAWN"])
    found = verdicts(Lens([CONTROLLER], third_party=True), grant, leave, denial)
    granted = found["operator_call", "marketing", "*"]
    assert (granted.allowed, granted.until, granted.conditions) == (True, 500, ("a", "b"))
    assert found["sms", "marketing", "*"].reasons == ("WITHDRAWN",)


@pytest.mark.rule("SOFT-OPT-IN-PRODUCT")
def test_a_soft_opt_in_is_a_denial_with_the_products_as_conditions() -> None:
    """An application is not asked product by product: denied, and told for what it would not be."""
    lens = Lens([CONTROLLER], ["operator_call"], ["marketing"])
    soft = row(**CALLS, products=["shoes"], reasons=["PRODUCT_REQUIRED"])
    (verdict,) = verdicts(lens, soft).values()
    assert (verdict.allowed, verdict.reasons) == (False, ("PRODUCT_REQUIRED",))
    assert verdict.conditions == ("shoes",)
