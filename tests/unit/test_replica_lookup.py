"""The lookup over HTTP: what it answers, what it refuses, and that its document says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from noli.domain.reason import Reason
from noli.replica import gate as gates
from noli.replica import store as copies
from noli.replica.gate import Gate
from noli.replica.lookup import service as services
from noli.runtime import apikeys
from tests.support.copies import ALICE, NOW, PEPPER, decision, denial, fresh, row
from tests.support.lookup import DESCRIPTION, QUESTION, Service
from tests.support.ratios import write_beside

DOCUMENT: Final = DESCRIPTION.document


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy in which Alice may be called, asked a second after its beacon."""
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 1_000)
    monkeypatch.setattr(services, "now_ms", lambda: NOW + 1_000)
    allowed = row(until=NOW + 86_400_000, lapse=["REGISTER_CHECK_STALE"])
    fresh(tmp_path / "copy", [(ALICE, decision([allowed, denial("OBJECTED", channels=["sms"])]))])
    return tmp_path / "copy"


@pytest.fixture
def service(tmp_path: Path, copy: Path) -> Iterator[Service]:
    """The lookup over that copy."""
    with Gate.open(copy, pepper=PEPPER) as gate:
        yield Service(tmp_path, gate)


async def test_answers_come_in_order_with_all_their_fields(service: Service) -> None:
    """An allowance and a denial, as the caller's next step needs them."""
    answer = await service.ask(QUESTION, {**QUESTION, "channel": "sms"}, QUESTION)
    assert answer.status_code == 200
    allowed, denied, again = answer.json()["decisions"]
    assert (
        allowed
        == again
        == {
            "allowed": True,
            "basis": "consent",
            "reasons": [],
            "conditions": [],
            "until": "2026-11-25T09:00:00Z",
            "as_of": "2026-11-24T09:00:00Z",
        }
    )
    assert denied == {
        "allowed": False,
        "basis": None,
        "reasons": ["OBJECTED"],
        "conditions": [],
        "until": None,
        "as_of": "2026-11-24T09:00:00Z",
    }


async def test_a_full_batch_is_answered_in_order(service: Service) -> None:
    """A thousand questions, every third about a stranger; one more is too many."""
    stranger = {**QUESTION, "contact": {"kind": "phone", "value": "+393330000000"}}
    queries = [stranger if n % 3 == 0 else QUESTION for n in range(1_000)]
    answer = await service.ask(*queries)
    assert [each["allowed"] for each in answer.json()["decisions"]] == [
        n % 3 != 0 for n in range(1_000)
    ]
    assert (await service.ask(*queries, QUESTION)).status_code == 413
    assert (await service.ask()).json() == {"decisions": []}


@pytest.mark.parametrize(
    "over",
    [
        {"contact": {"kind": "phone", "value": "not a number"}},
        {"contact": {"kind": "fax machine", "value": "1"}},
        {"channel": "telepathy"},
        {"purpose": "fun"},
        {"controller": "nobody"},
        {"channel": "email"},
    ],
)
async def test_a_doubt_is_denied_and_the_others_are_answered(
    service: Service, over: dict[str, Any]
) -> None:
    """What nobody can make sense of is no error, and holds nobody up."""
    answer = await service.ask({**QUESTION, **over}, QUESTION)
    denied, allowed = answer.json()["decisions"]
    assert (denied["allowed"], allowed["allowed"]) == (False, True)
    assert len(denied["reasons"]) == 1


@pytest.mark.parametrize(
    "query, field",
    [
        ({k: v for k, v in QUESTION.items() if k != "controller"}, "queries[1].controller"),
        ({**QUESTION, "controller": " "}, "queries[1].controller"),
        ({**QUESTION, "contact": {"kind": "phone"}}, "queries[1].contact.value"),
        ({**QUESTION, "contact": {"kind": "phone", "value": 7}}, "queries[1].contact.value"),
        ({**QUESTION, "contact": "333"}, "queries[1].contact"),
        ({**QUESTION, "channel": None}, "queries[1].channel"),
        ({**QUESTION, "purpose": ["marketing"]}, "queries[1].purpose"),
        ({**QUESTION, "brand": 1}, "queries[1].brand"),
        ({**QUESTION, "at": "yesterday"}, "queries[1].at"),
        ({**QUESTION, "at": "2026-11-24T09:00:00"}, "queries[1].at"),
        (None, "queries[1]"),
    ],
)
async def test_a_broken_field_is_named(service: Service, query: object, field: str) -> None:
    """422 names the one field of the one query, and never the contact."""
    assert await service.refused(QUESTION, query) == [field]


async def test_a_body_that_is_no_question_is_refused(service: Service) -> None:
    """Not JSON, not UTF-8: 400. Another shape: 422. Another type: 415."""
    assert (await service.ask(content=b"{")).status_code == 400
    assert (await service.ask(content=b'{"queries":[{"controller":"\xff"}]}')).status_code == 400
    assert (await service.ask(content=b"[]")).json()["errors"][0]["field"] == "body"
    assert (await service.ask(content=b"{}")).json()["errors"][0]["field"] == "queries"
    answer = await service.client.post(
        "/v1/decisions",
        content=b"queries=1",
        headers={
            "X-API-Key": service.keys["decisions:read"],
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )
    assert answer.status_code == 415
    assert (await service.ask(content=b" " * 512_001)).status_code == 413


@pytest.mark.rule("EVIDENCE")
async def test_the_past_is_not_answered_from_the_copy(service: Service) -> None:
    """`at` before the lease is refused, naming the remedy; within it, and ahead, is answered."""
    answer = await service.ask({**QUESTION, "at": "2026-11-24T08:59:30Z"})
    assert answer.status_code == 422
    assert "NOLI_BOARD_URL" in answer.json()["detail"]
    now, ahead = (
        await service.ask(
            {**QUESTION, "at": "2026-11-24T10:59:31+02:00"},
            {**QUESTION, "at": "2026-11-25T09:00:01Z"},
        )
    ).json()["decisions"]
    assert now["allowed"]
    assert ahead["reasons"] == ["REGISTER_CHECK_STALE"]


async def test_known_and_unknown_extras_are_taken(service: Service) -> None:
    """A null says nothing; what nobody knows is passed over."""
    query = {**QUESTION, "campaign": None, "brand": None, "product": None, "colour": "red"}
    assert (await service.ask(query)).json()["decisions"][0]["allowed"]


@pytest.mark.rule("SILENT-RATIO")
async def test_a_campaign_over_its_ratio_is_told_so(service: Service, copy: Path) -> None:
    """Its call is denied, another campaign's is allowed; without a watcher both are in doubt."""
    queries = [{**QUESTION, "campaign": name} for name in ("spring", "autumn")]
    doubt = (await service.ask(*queries)).json()["decisions"]
    assert [each["reasons"] for each in doubt] == [["STALE_REPLICA"]] * 2
    assert (await service.client.get("/readyz")).json()["campaigns_as_of_age_s"] is None
    write_beside(copy, {"spring": True, "autumn": False})
    found = (await service.ask(*queries)).json()["decisions"]
    assert [each["allowed"] for each in found] == [False, True]
    assert found[0]["reasons"] == ["CAMPAIGN_SILENT_RATIO"]


async def test_only_keys_of_the_scope_may_ask(service: Service) -> None:
    """401 without a key, 403 with one of another scope."""
    assert (await service.ask(QUESTION, key="noli_unknown")).status_code == 401
    for scope in ("events:write", "evidence:read", "admin"):
        assert (await service.ask(QUESTION, key=service.keys[scope])).status_code == 403


async def test_a_key_that_asks_too_fast_is_told_to_wait(tmp_path: Path, copy: Path) -> None:
    """429 with Retry-After, per key and by question; what is allowed at once is two seconds' worth.

    Another key is not held up.
    """
    with Gate.open(copy, pepper=PEPPER) as gate:
        slow = Service(tmp_path, gate, limit=10)
        assert (await slow.ask(*[QUESTION] * 20)).status_code == 200
        refused = await slow.ask(*[QUESTION] * 5)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        another, line = apikeys.new("another", ["decisions:read"])
        apikeys.write(tmp_path / "keys.json", [*apikeys.read(tmp_path / "keys.json"), line])
        slow.keyring._next_look = 0
        assert (await slow.ask(QUESTION, key=another)).status_code == 200


async def test_readiness_is_freshness(
    service: Service, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ready while the copy is fresh; stale or gone it is not, and every answer is a denial."""
    ready = await service.client.get("/readyz")
    assert (ready.status_code, ready.json()["contacts"]) == (200, 1)
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 31_000)
    stale = await service.client.get("/readyz")
    assert (stale.status_code, stale.json()["why"]) == (503, "older than its lease")
    [answer] = (await service.ask(QUESTION)).json()["decisions"]
    assert (answer["allowed"], answer["reasons"]) == (False, ["STALE_REPLICA"])
    counted = await service.client.get("/readyz")
    assert counted.json()["stale_answers"] == stale.json()["stale_answers"] + 1
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 1_000)
    copies.withdraw(copy)
    monkeypatch.setattr("noli.replica.reader.steady", lambda: 1e12)
    [answer] = (await service.ask(QUESTION)).json()["decisions"]
    assert (answer["allowed"], answer["as_of"]) == (False, None)
    assert (await service.client.get("/healthz")).status_code == 200


async def test_the_document_is_sound_and_every_path_is_served(service: Service) -> None:
    """Schemas are schemas, reasons are the law's, and nothing described is missing."""
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert DOCUMENT["components"]["schemas"]["Reason"]["enum"] == [str(each) for each in Reason]
    for path, item in DOCUMENT["paths"].items():
        for method in item:
            answer = await service.client.request(method, path)
            assert answer.status_code not in {404, 405}
            DESCRIPTION.check(method, path, answer)
    assert (await service.client.get("/openapi.json")).json() == DOCUMENT
    assert "Noli lookup" in (await service.client.get("/docs")).text


async def test_no_contact_reaches_the_log(
    service: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither a readable nor an unreadable number, nor one in a refused field."""
    await service.ask(QUESTION)
    await service.ask({**QUESTION, "contact": {"kind": "phone", "value": "333x1234567"}})
    await service.ask({**QUESTION, "contact": {"kind": 3331234567, "value": "3331234567"}})
    out, err = capfd.readouterr()
    assert "1234567" not in out + err
