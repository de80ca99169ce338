"""Explaining a contact: which facts count at a moment, what is said of them, in which words."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable

import pytest
from rich.console import Console

from noli import wire
from noli.cli.explain import guess
from noli.cli.explaining import screen
from noli.domain import facts
from noli.domain.channel import Channel, Purpose
from noli.domain.contact import normalise
from noli.domain.facts import Fact
from noli.domain.wording import Language
from noli.evidence import document, told
from noli.evidence.explanation import Explanation, Question, explain
from noli.evidence.history import LANES, Entry, History, collect
from noli.runtime.part import Record
from noli.runtime.partition import murmur2
from schemas.codec import RECORDS, Codec
from schemas.names import CONTROL
from tests.support.law import ACME, PARTY, PHONE, ask, consent, fact, objection, on

KEY = b"\x01" + b"k" * 16
CODEC = Codec({name: number for number, name in enumerate(RECORDS, 1)})
EVERYTHING = Question(ACME, normalise(**PHONE), on(8))


def stood(fact: Fact, offset: int, *, key: bytes | None = KEY, at: int | None = None) -> Record:
    """The record of a fact as it stands in its lane."""
    topic = LANES[0] if fact.denies else LANES[1]
    if isinstance(fact.detail, facts.SourceRevoked):
        topic, key = CONTROL, None
    value = CODEC.encode("noli.Intent", wire.fact_to_intent(fact))
    return Record(topic, 3, offset, key, value, fact.accepted if at is None else at)


def history(*found: Fact) -> History:
    """The history of facts, each at its own offset."""
    return collect([stood(each, number) for number, each in enumerate(found)], CODEC, KEY)


def asked(day: float, found: Iterable[Fact], **more: object) -> Explanation:
    """The explanation of facts, about SMS for marketing, as of a day."""
    scope = {"channel": Channel.SMS, "purpose": Purpose.MARKETING, **more}
    question = Question(ACME, normalise(**PHONE), on(day), **scope)  # type: ignore[arg-type]
    return explain(question, history(*found))


def printed(found: Explanation, language: Language = Language.ENGLISH, width: int = 80) -> str:
    """What the terminal shows, lines joined."""
    out = io.StringIO()
    screen.show(found, language, Console(file=out, width=width))
    return " ".join(out.getvalue().split())


@pytest.mark.rule("EVIDENCE")
def test_a_past_moment_is_explained_by_what_was_accepted_by_then() -> None:
    """Allowed on the consent before the objection, denied from its acceptance; both are told."""
    found = [consent(1), objection(2, accepted=5)]
    before, after = asked(4, found), asked(5, found)
    assert before.answers[0].verdict.allowed
    assert [type(entry.fact.detail).__name__ for entry in before.facts] == ["ConsentGiven"]
    assert before.later == 1
    assert not after.answers[0].verdict.allowed
    assert after.answers[0].verdict.reasons == ("OBJECTED",)
    assert [entry.place for entry in after.facts] == ["noli.grants:3:0", "noli.objections:3:1"]


@pytest.mark.rule("EVIDENCE")
def test_an_unknown_contact_is_denied_and_told_so() -> None:
    """Nothing recorded: no facts, NO_BASIS, in words."""
    found = asked(1, [])
    assert (found.facts, found.answers[0].verdict.reasons) == ((), ("NO_BASIS",))
    assert "Nothing recorded of this contact" in printed(found)


@pytest.mark.rule("SOURCE-REVOKED")
def test_a_revoked_source_is_among_the_facts_and_counts_from_its_acceptance() -> None:
    """Only of the controller and of a source the contact's facts rest on."""
    given = consent(1, source_id="fair")
    revoked = fact("source.revoked", 3, source_id="fair", contact=None)
    other = fact("source.revoked", 2, source_id="list", contact=None)
    before, after = asked(2.5, [given, other, revoked]), asked(3, [given, other, revoked])
    assert before.answers[0].verdict.allowed
    assert (before.later, before.answers[0].then) == (1, None)
    assert after.answers[0].verdict.reasons == ("SOURCE_UNLAWFUL",)
    assert [entry.fact.source_id for entry in after.facts] == ["fair", "fair"]


@pytest.mark.rule("PARTY")
def test_a_fact_of_the_person_counts_once_it_reached_the_contact() -> None:
    """The person objected on day 2, the contact was linked on day 5: allowed in between."""
    records = [stood(consent(1), 0), stood(objection(2, party=PARTY, contact=PHONE), 1, at=on(5))]
    found = collect(records, CODEC, KEY)
    question = Question(ACME, normalise(**PHONE), on(4), Channel.SMS, Purpose.MARKETING)
    assert explain(question, found).answers[0].verdict.allowed
    later = Question(ACME, normalise(**PHONE), on(5), Channel.SMS, Purpose.MARKETING)
    assert not explain(later, found).answers[0].verdict.allowed
    assert PARTY not in printed(explain(later, found))


def test_an_unreadable_record_of_the_contact_denies_it_and_is_named() -> None:
    """As the processor does; where it stands is told, also in JSON."""
    rubbish = Record(LANES[1], 3, 9, KEY, b"\x00rubbish", on(2))
    found = explain(EVERYTHING, collect([stood(consent(1), 0), rubbish], CODEC, KEY))
    assert all("QUARANTINED" in answer.verdict.reasons for answer in found.answers)
    assert document.document(found, Language.ENGLISH)["unreadable"] == ["noli.grants:3:9"]
    assert "unreadable record, quarantined" in printed(found)


def test_an_unreadable_control_record_is_named_but_denies_nobody() -> None:
    """As the processor does; the reader is warned that a revocation may be missing."""
    rubbish = Record(CONTROL, 3, 4, None, b"\x00rubbish", on(2))
    found = explain(EVERYTHING, collect([stood(consent(1), 0), rubbish], CODEC, KEY))
    assert found.unread == ("noli.control:3:4",)
    assert "noli.control:3:4" in printed(found)
    assert any(answer.verdict.allowed for answer in found.answers)


def test_other_contacts_of_the_partition_are_passed_over() -> None:
    """Only records under the contact's own key count, and a repeat counts once, the earliest."""
    records = [stood(objection(2), 0, key=b"\x01" + b"x" * 16), stood(consent(1), 1)]
    again = stood(consent(1, accepted=3), 2)
    found = collect([again, *records], CODEC, KEY)
    assert [entry.place for entry in found.entries] == ["noli.grants:3:1"]


@pytest.mark.rule("SILENT-HOLD")
def test_what_changes_by_itself_is_told_with_its_moment() -> None:
    """After the hold the call is allowed again, on its condition."""
    checked = fact("register.verified", 6, register="phone")
    given = [consent(1, "operator_call"), checked, fact("call.silent", 7)]
    found = asked(8, given, channel=Channel.OPERATOR_CALL)
    (answer,) = found.answers
    assert (answer.verdict.allowed, answer.verdict.until) == (False, on(12))
    assert answer.then is not None
    assert answer.then.allowed
    text = printed(found)
    assert "until 2026-01-13T00:00:00Z, then by itself ALLOWED" in text
    assert "only if an operator is guaranteed" in text


@pytest.mark.rule("REGISTER-FRESH")
def test_an_allowance_that_will_lapse_says_what_follows() -> None:
    """A check of the register lapses into a denial by that name."""
    given = [consent(1, "operator_call"), fact("register.verified", 2, register="phone")]
    (answer,) = asked(3, given, channel=Channel.OPERATOR_CALL).answers
    assert answer.verdict.allowed
    assert answer.then is not None
    assert (answer.then.allowed, answer.then.reasons) == (False, ("REGISTER_CHECK_STALE",))


def test_brands_are_told_apart_only_where_they_differ() -> None:
    """A consent for one brand shows that brand; an objection to all hides the difference."""
    given = [consent(1, brands=["alfa"])]
    assert [answer.brand for answer in asked(2, given).answers] == ["*", "alfa"]
    assert [a.brand for a in asked(2, given, brand="alfa").answers] == ["alfa"]
    plain = [consent(1), consent(1, "sms", brands=["alfa"], id="2")]
    assert [answer.brand for answer in asked(2, plain).answers] == ["*"]


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("language", Language)
def test_a_screen_keeps_its_width_and_names_rule_source_evidence_and_receipt(
    language: Language, width: int
) -> None:
    """No line is longer than the terminal; every part an inspector asks for is there."""
    given = [consent(1, source_id="fair"), objection(2, accepted=3, via="sms_stop")]
    out = io.StringIO()
    screen.show(explain(EVERYTHING, history(*given)), language, Console(file=out, width=width))
    assert max(map(len, out.getvalue().splitlines())) <= width
    text = " ".join(out.getvalue().split())
    words = {
        Language.ENGLISH: ["DENIED marketing", "rule OBJECT: An objection denies", "told by /test"],
        Language.ITALIAN: ["VIETATO marketing", "regola OBJECT: L'opposizione", "detto da /test"],
    }[language]
    for part in (*words, "[001, GDPR 21]", "form-7", "fair", "noli.objections:3:1"):
        assert part in text
    assert "2026-01-03T00:00:00Z" in text
    assert "2026-01-04T00:00:00Z" in text


def test_json_holds_codes_words_and_receipts() -> None:
    """A program reads what the screen shows; it is plain JSON."""
    found = asked(3, [consent(1), objection(2)])
    said = json.loads(json.dumps(document.document(found, Language.ITALIAN)))
    (answer,) = said["answers"]
    assert answer["reasons"] == [
        {
            "code": "OBJECTED",
            "words": "La persona si è opposta.",
            "rules": [{"id": "OBJECT", "sources": ["001", "GDPR 21"]}],
        }
    ]
    assert [each["receipt"] for each in said["facts"]] == ["noli.grants:3:0", "noli.objections:3:1"]
    assert said["facts"][0]["evidence_ref"] == "form-7"
    assert said["at"] == "2026-01-04T00:00:00Z"


@pytest.mark.parametrize("language", Language)
def test_every_type_of_fact_has_words(language: Language) -> None:
    """No detail is shown as a class name."""
    assert set(told.TYPE) == set(facts.Detail.__args__)
    assert all(words.said(language) for words in told.TYPE.values())


@pytest.mark.parametrize(
    "said, details",
    [
        (objection(1), "marketing, profiling, disclosure to third parties by every channel;"),
        (consent(1, "sms", "fax"), "marketing by SMS, fax"),
        (fact("consent.withdrawn", 1), "everything"),
        (fact("interest.recorded", 1, reason="customer", channels=["sms"]), "not informed"),
        (fact("directory.status", 1, listed=False), "not listed"),
        (fact("call.silent", 1, campaign="spring"), "campaign spring"),
        (objection(1, brands=["alfa", "beta"]), "brands alfa, beta"),
        (objection(1, party=PARTY, contact=PHONE), "said for all contacts of the person"),
    ],
)
def test_a_fact_is_told_with_its_scope(said: Fact, details: str) -> None:
    """Channels, purposes, brands and flags, in words."""
    assert details in told.details(said, Language.ENGLISH)


@pytest.mark.rule("PROFILING-TRACED")
def test_a_profiling_act_appears_with_its_purpose_and_basis() -> None:
    """In the dossier of the contact, in both languages; it changes no verdict."""
    act = fact("profiling.performed", 1, purpose="profiling", basis="consent")
    assert told.details(act, Language.ENGLISH) == "for profiling; basis consent"
    assert told.details(act, Language.ITALIAN) == "per profiling; base consent"
    assert not ask([act], 2, "sms", "profiling").allowed
    assert ask([consent(1, "sms"), act], 2, "sms").allowed


def test_free_text_is_not_shown() -> None:
    """What somebody wrote about a profiling act or a revocation may name a person."""
    act = fact("profiling.performed", 1, purpose="profiling", description="Anna likes shoes")
    assert "Anna" not in told.details(act, Language.ENGLISH)


@pytest.mark.parametrize(
    "said, kind",
    [
        ("anna@example.it", "email"),
        ("+39 333 123-4567", "phone"),
        ("(0039) 333/1234567", "phone"),
        ("Via Roma 1, 00100 Roma", "postal"),
    ],
)
def test_the_kind_of_a_contact_is_guessed(said: str, kind: str) -> None:
    """An @ makes an e-mail, figures alone a number, anything else an address."""
    assert guess(said) == kind


@pytest.mark.parametrize(
    "key, hashed",
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_a_key_is_hashed_as_kafkas_own_producers_do(key: bytes, hashed: int) -> None:
    """The examples of Kafka's own test of its hash; signed there."""
    assert murmur2(key) == hashed % (1 << 32)


def test_an_entry_knows_whether_it_was_readable() -> None:
    """A quarantine fact is not; an ordinary one is."""
    held = wire.quarantine_fact(b"q" * 16, on(1), "rubbish")
    assert Entry(held, "noli.grants:0:0", on(1)).unreadable
    assert not Entry(consent(1), "noli.grants:0:1", on(1)).unreadable
