"""Reading posted events: facts, refusals that say what to do, and denials never refused."""

from __future__ import annotations

import pytest

from noli.domain import channel, events, facts
from noli.domain.details import READERS
from noli.domain.events import Quarantine, Refused, parse
from tests.support.law import PARTY, PHONE, Json, fact, on, raw

CONSENT = {"purpose": "marketing", "channels": ["sms"], "evidence": {"ref": "form-7"}}


def refusal(event: dict[str, Json]) -> Refused:
    """How the event is refused; fails where it is not."""
    with pytest.raises(Refused) as caught:
        parse(event, on(1))
    return caught.value


def test_a_consent_is_read_with_all_it_says() -> None:
    """Times in ms, the contact normalised, channels as a set, evidence by reference."""
    event = raw("consent.given", 1, **CONSENT, contact={"kind": "phone", "value": "333 1234567"},
                brands=["alfa"], source_id="fair", consent_id="c1")  # fmt: skip
    read = parse(event, on(2))
    assert (read.time, read.accepted, read.effective) == (on(1), on(2), on(1))
    assert read.contact == fact("objection.raised", 1).contact
    assert (read.controller, read.brands, read.source_id) == ("acme", ("alfa",), "fair")
    assert (read.evidence_ref, read.denies) == ("form-7", False)
    assert isinstance(read.detail, facts.ConsentGiven)
    assert read.detail.channels == channel.CHANNEL_BIT["sms"]


def test_an_event_without_a_time_happened_when_it_was_accepted() -> None:
    """Absent `time` is the acceptance."""
    assert parse(raw("consent.given", None, **CONSENT), on(2)).time == on(2)


@pytest.mark.parametrize("kind", sorted(READERS))
def test_every_type_of_the_vocabulary_is_read(kind: str) -> None:
    """With what its row of events.md names, each type becomes a fact of its own class."""
    more: dict[str, Json] = {
        **CONSENT, "consent_id": "c", "source_id": "s", "source_kind": "form", "listed": True,
        "register": "phone", "contract_id": "k", "reason": "customer",
    }  # fmt: skip
    if "party" in kind:
        more |= {"party": PARTY, "contact": PHONE}
    short = kind.removeprefix("noli.").removesuffix(".v1")
    read = parse(raw(short, 1, **more), on(1))
    assert type(read.detail).__name__.lower().startswith(short.split(".")[0].replace("_", "")[:4])


@pytest.mark.parametrize(
    "change,field",
    [
        ({"type": "noli.consent.granted.v1"}, "type"),
        ({"type": None}, "type"),
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"source": None}, "source"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2026-01-01T10:00:00"}, "time"),
        ({"data": [1]}, "data"),
    ],
)
def test_an_envelope_that_cannot_be_read_is_refused_by_field(
    change: dict[str, Json], field: str
) -> None:
    """The refusal names the field and a remedy."""
    refused = refusal({**raw("consent.given", 1, **CONSENT), **change})
    assert refused.field == field
    assert refused.remedy


@pytest.mark.parametrize(
    "change,field",
    [
        ({"controller": ""}, "data.controller"),
        ({"controller": "a|b"}, "data.controller"),
        ({"contact": None}, "data.contact"),
        ({"contact": "333"}, "data.contact"),
        ({"contact": {"kind": "phone", "value": "call me"}}, "data.contact.value"),
        ({"contact": {"kind": "fax", "value": "+39061234567"}}, "data.contact.kind"),
        ({"contact": {"kind": "email", "value": "a@b@c"}}, "data.contact.value"),
        ({"brands": []}, "data.brands"),
        ({"brands": "alfa"}, "data.brands"),
        ({"brands": [7]}, "data.brands"),
        ({"purpose": "*"}, "data.purpose"),
        ({"purpose": ["marketing", "profiling"]}, "data.purpose"),
        ({"purposes": ["marketing"]}, "data.purpose"),
        ({"purpose": "selling"}, "data.purpose"),
        ({"channels": []}, "data.channels"),
        ({"channels": ["*"]}, "data.channels"),
        ({"channels": ["sms", "telepathy"]}, "data.channels"),
        ({"channels": "sms"}, "data.channels"),
        ({"double_opt_in": "yes"}, "data.double_opt_in"),
        ({"evidence": "form-7"}, "data.evidence"),
        ({"evidence": {"ref": 7}}, "data.evidence.ref"),
        ({"evidence": {"preticked": 1}}, "data.evidence.preticked"),
        ({"evidence": {"box_purposes": "marketing"}}, "data.evidence.box_purposes"),
        ({"consent_id": 9}, "data.consent_id"),
        ({"source_id": "x" * 600}, "data.source_id"),
    ],
)
def test_a_consent_that_cannot_be_read_is_refused_by_field(
    change: dict[str, Json], field: str
) -> None:
    """Nothing of a grant is guessed."""
    assert refusal(raw("consent.given", 1, **{**CONSENT, **change})).field == field


@pytest.mark.parametrize(
    "kind,field",
    [
        ("consent.confirmed", "data.consent_id"),
        ("interest.recorded", "data.reason"),
        ("contact.collected", "data.source_id"),
        ("directory.status", "data.listed"),
        ("source.revoked", "data.source_id"),
        ("register.delisted", "data.register"),
        ("register.verified", "data.register"),
        ("contract.started", "data.contract_id"),
        ("contract.ended", "data.contract_id"),
        ("party.linked", "data.party"),
        ("party.unlinked", "data.party"),
    ],
)
def test_a_fact_without_its_own_detail_is_refused(kind: str, field: str) -> None:
    """What its row of events.md needs is named."""
    assert refusal(raw(kind, 1)).field == field


def test_a_refusal_never_shows_what_was_sent() -> None:
    """Neither number nor address stand in its text."""
    for value in ("+39 333 12345678901234567", "mario rossi@example.it"):
        kind = "email" if "@" in value else "phone"
        refused = refusal(
            raw("consent.given", 1, **CONSENT, contact={"kind": kind, "value": value})
        )
        assert value not in str(refused)
        assert "mario" not in repr(refused)
        assert refused.__cause__ is None


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize(
    "change",
    [
        {"via": "pigeon"}, {"via": 7}, {"channels": 5}, {"channels": [None]}, {"purposes": {}},
        {"brands": 9}, {"brands": []}, {"source_id": 5}, {"evidence": "x"}, {"party": 7},
    ],
)  # fmt: skip
def test_an_objection_is_never_refused_for_a_missing_detail(change: dict[str, Json]) -> None:
    """What cannot be read of it is read as the widest."""
    read = parse(raw("objection.raised", 1, contact=PHONE, **change), on(1))
    assert read.denies
    assert read.brands == ("*",)


@pytest.mark.rule("OBJECT")
def test_an_objection_needs_no_identity_and_no_readable_time() -> None:
    """Then it is named by its content, and counts from its acceptance."""
    event = {"type": "noli.objection.raised.v1", "specversion": "9", "time": "soon",
             "data": {"controller": "acme", "contact": PHONE}}  # fmt: skip
    read = parse(event, on(3))
    assert (read.time, read.source, read.id) == (on(3), "", "")
    assert read.fact_id == parse(event, on(4)).fact_id


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize(
    "scope,purposes,channels",
    [
        ({}, 0b111, channel.ALL_CHANNELS),
        ({"purposes": [], "channels": []}, 0b111, channel.ALL_CHANNELS),
        ({"purposes": "profiling", "channels": "sms"}, 0b10, channel.CHANNEL_BIT["sms"]),
        ({"purposes": ["*"], "channels": ["*"]}, channel.ALL_PURPOSES, channel.ALL_CHANNELS),
        ({"purposes": ["marketing", "??"]}, channel.ALL_PURPOSES, channel.ALL_CHANNELS),
        ({"channels": list(channel.CHANNEL_BIT)}, 0b111, channel.ALL_CHANNELS),
    ],
)
def test_the_scope_of_an_objection(scope: dict[str, Json], purposes: int, channels: int) -> None:
    """Absent is the default, unknown is all, all named is all there will ever be."""
    detail = fact("objection.raised", 1, **scope).detail
    assert detail == facts.ObjectionRaised(purposes, channels, facts.Via.UNKNOWN)


@pytest.mark.parametrize(
    "kind",
    [
        "objection.raised",
        "consent.withdrawn",
        "erasure.requested",
        "call.silent",
        "register.listed",
    ],
)
@pytest.mark.parametrize(
    "contact,field",
    [
        ({"kind": "phone", "value": " call me "}, "data.contact.value"),
        ({"kind": "pigeon", "value": "x"}, "data.contact.kind"),
        ("call me", "data.contact"),
        ({}, "data.contact.value"),
    ],
)
def test_a_denial_of_an_unreadable_contact_is_quarantined(
    kind: str, contact: Json, field: str
) -> None:
    """Kept for a human, with the contact as received and a fact that denies it until then."""
    with pytest.raises(Quarantine) as caught:
        parse(raw(kind, 1, contact=contact), on(1))
    held = caught.value
    assert held.field == field
    assert isinstance(held.fact.detail, facts.Quarantined)
    assert held.fact.denies
    assert held.fact.contact is not None
    if isinstance(contact, dict) and contact.get("kind") == "phone":
        assert held.fact.contact.value == "call me"
    assert "call me" not in f"{held}{held!r}{held.fact!r}"


def test_a_denial_of_nobody_is_refused() -> None:
    """No contact and no party: there is nobody to protect."""
    event = raw("objection.raised", 1)
    del event["data"]["contact"]
    assert refusal(event).field == "data.contact"
    assert refusal(raw("objection.raised", 1, party="no-namespace")).field == "data.party"


def test_a_fact_is_about_a_contact_or_a_party() -> None:
    """Either; a link names both, a revocation neither."""
    assert parse(raw("objection.raised", 1, party=PARTY), on(1)).contact is None
    linked = parse(raw("party.linked", 1, party=PARTY, contact=PHONE), on(1))
    assert linked.party == PARTY
    assert linked.contact is not None
    assert fact("source.revoked", 1, source_id="s", contact=None).contact is None


def test_a_fact_id_names_the_content() -> None:
    """Equal for a retry however its JSON is ordered; another for any other content."""
    one = raw("consent.given", 1, **CONSENT)
    retry = {**dict(reversed(one.items())), "traceparent": "00-1"}
    assert events.fact_id(retry) == events.fact_id(one)
    assert len(events.fact_id(one)) == 16
    others = [{**one, "id": "x"}, {**one, "source": "/x"}, {**one, "time": "2026-01-03T00:00:00Z"},
              raw("consent.given", 1, **{**CONSENT, "channels": ["mms"]})]  # fmt: skip
    assert len({events.fact_id(event) for event in [one, *others]}) == 5


def test_what_has_no_canonical_json_is_refused() -> None:
    """Numbers that JSON does not have, and half characters."""
    for oddity in (float("nan"), "\ud800"):
        event = raw("consent.given", 1, **CONSENT)
        event["data"]["note"] = oddity
        assert refusal(event).field == "data"


@pytest.mark.parametrize(
    "more", [{"answered_at": "soon", "cut_after_ms": "x", "comfort_noise": 1, "campaign": 7}, {}]
)
def test_a_silent_call_counts_whatever_else_is_unreadable(more: dict[str, Json]) -> None:
    """Its particulars are optional."""
    assert fact("call.silent", 1, **more).detail == facts.CallSilent(None, None, None, None)


def test_a_silent_calls_particulars_are_kept() -> None:
    """For the campaign's statistics: when answered, when cut, with or without comfort noise."""
    detail = fact(
        "call.silent", 1, campaign="spring", answered_at="2026-01-02T00:00:00Z", cut_after_ms=3500,
        comfort_noise=False,
    ).detail  # fmt: skip
    assert detail == facts.CallSilent("spring", on(1), 3500, False)
