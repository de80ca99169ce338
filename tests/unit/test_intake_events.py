"""`POST /v1/events` over a sink that remembers: answers, refusals, retries, doubts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from noli.intake.accept import IN_FLIGHT_MAX
from noli.runtime import apikeys, clock
from noli.runtime.kafka import NotDurable
from noli.runtime.metrics.exposition import REGISTRY
from schemas.names import GRANTS, OBJECTIONS, PARTIES, QUARANTINE
from tests.support.intake import Memory, Service, codec, consent, event


@pytest.fixture
def sink() -> Memory:
    """A log that takes everything."""
    return Memory()


@pytest.fixture
def service(tmp_path: Path, sink: Memory) -> Service:
    """The intake over that log."""
    return Service(tmp_path, sink)


def counted(outcome: str, kind: str, **labels: str) -> float:
    """The counter of an outcome for a type of event."""
    name = f"noli_events_{outcome}_total"
    return REGISTRY.get_sample_value(name, {"kind": kind, **labels}) or 0.0


async def under_way(sink: Memory) -> None:
    """Wait until the sink has been asked, and whoever else was posting has come as far."""
    await sink.asked.wait()
    for _ in range(50):
        await asyncio.sleep(0)


async def test_one_event_is_answered_with_one_object(service: Service, sink: Memory) -> None:
    """202 with id, the intake's own time, and the place in the log; the record says the same."""
    raw = event(phone="333 1234567")
    answer = await service.post(raw)
    assert answer.status_code == 202
    assert answer.json() == {
        "id": raw["id"],
        "accepted": "2026-11-22T10:15:00.250Z",
        "receipt": "noli.objections:0:0",
    }
    [intent] = sink.intents(OBJECTIONS)
    assert intent["contact"] == {"kind": "phone", "value": "+393331234567"}
    assert intent["accepted"] == intent["time"] + 900_250


async def test_a_batch_is_answered_in_order(service: Service, sink: Memory) -> None:
    """An array gets an array, in the order of the events, from one append."""
    raws = [consent(), event(), consent(phone="3337654321")]
    answer = await service.post(raws)
    assert answer.status_code == 202
    assert [taken["id"] for taken in answer.json()] == [raw["id"] for raw in raws]
    assert [taken["receipt"].split(":")[0] for taken in answer.json()] == [
        GRANTS, OBJECTIONS, GRANTS,
    ]  # fmt: skip
    assert sink.sends == 1


async def test_an_empty_batch_is_no_error(service: Service, sink: Memory) -> None:
    """Nothing posted, nothing stored, an empty answer."""
    answer = await service.post([])
    assert (answer.status_code, answer.json(), sink.sends) == (202, [], 0)


@pytest.mark.parametrize(
    "raw, field",
    [
        (event("nonsense"), "type"),
        (consent(data={"purpose": "*"}), "data.purpose"),
        (consent(data={"channels": ["*"]}), "data.channels"),
        (consent(phone="12"), "data.contact.value"),
        (event(data={"contact": None}), "data.contact"),
        ("text", ""),
    ],
)
async def test_a_refused_event_names_its_field(
    service: Service, sink: Memory, raw: object, field: str
) -> None:
    """422 problem+json with field and remedy; nothing is stored."""
    answer = await service.post([raw])
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    [error] = answer.json()["errors"]
    assert (error["index"], error["field"]) == (0, field)
    assert error["detail"]
    assert sink.records == []


@pytest.mark.rule("OBJECT")
async def test_an_objection_is_not_held_up_by_anothers_mistake(
    service: Service, sink: Memory
) -> None:
    """Of a batch with a refused event only its denials are stored, and they are told."""
    raws = [consent(), event(), consent(data={"purpose": "*"}), event("erasure.requested")]
    answer = await service.post(raws)
    body = answer.json()
    assert answer.status_code == 422
    assert [error["index"] for error in body["errors"]] == [2]
    assert [(stored["index"], stored["id"]) for stored in body["stored"]] == [
        (1, raws[1]["id"]), (3, raws[3]["id"]),
    ]  # fmt: skip
    assert [record.topic for record in sink.records if record.topic != PARTIES] == [OBJECTIONS] * 2


@pytest.mark.rule("OBJECT")
async def test_unknown_scope_symbols_widen_an_objection(service: Service, sink: Memory) -> None:
    """An objection to an unknown channel is stored as one to every channel."""
    answer = await service.post(event(data={"channels": ["telepathy"]}))
    assert answer.status_code == 202
    [intent] = sink.intents()
    assert intent["event"][1]["channels"] == []


@pytest.mark.rule("OBJECT")
async def test_an_objection_of_an_unreadable_contact_is_quarantined(
    service: Service, sink: Memory
) -> None:
    """202 with `quarantined`; the whole event is kept, and the text denied as it stands."""
    before = counted("accepted", "noli.objection.raised.v1", source="events")
    raw = event(phone="chiamatemi mai")
    answer = await service.post(raw)
    assert answer.status_code == 202
    assert answer.json()["quarantined"] is True
    assert answer.json()["receipt"].startswith(f"{QUARANTINE}:")
    [held] = sink.intents(QUARANTINE)
    assert held["contact"] == {"kind": "phone", "value": "chiamatemi mai"}
    assert held["controller"] == "acme"
    assert raw["id"].encode() in held["value"]
    [denied] = sink.intents(OBJECTIONS)
    assert denied["event"][0] == "noli.Quarantined"
    assert denied["contact"]["value"] == "chiamatemi mai"
    assert counted("accepted", "noli.objection.raised.v1", source="events") == before + 1


async def test_a_quarantined_objection_does_not_refuse_its_batch(
    service: Service, sink: Memory
) -> None:
    """The rest of the batch is stored as usual; the answer tells which one a human must read."""
    answer = await service.post([consent(), event(phone="?"), consent()])
    assert answer.status_code == 202
    assert ["quarantined" in taken for taken in answer.json()] == [False, True, False]
    assert len(sink.intents(GRANTS)) == 2


async def test_an_endless_contact_text_goes_to_the_human_only(
    service: Service, sink: Memory
) -> None:
    """What is too long to be anybody's contact is kept, not propagated."""
    answer = await service.post(event(phone="x" * 5000))
    assert answer.json()["quarantined"] is True
    assert {record.topic for record in sink.records} == {QUARANTINE}


async def test_a_retry_gets_the_same_answer_and_appends_nothing(
    service: Service, sink: Memory
) -> None:
    """Same source, id and content: same receipt, same acceptance, one record."""
    raw = event()
    first, second = await service.post(raw), await service.post(raw)
    assert first.json() == second.json()
    assert len(sink.records) == 1


async def test_two_retries_at_once_are_one_append(service: Service, sink: Memory) -> None:
    """A repeat that arrives while the first is under way waits for the first's report."""
    sink.gate = asyncio.Event()
    raw = event()
    posts = [asyncio.create_task(service.post(raw)) for _ in range(2)]
    await under_way(sink)
    sink.gate.set()
    first, second = await asyncio.gather(*posts)
    assert first.json() == second.json()
    assert sink.sends == 1


async def test_a_repeat_within_a_batch_is_one_record(service: Service, sink: Memory) -> None:
    """Two equal events of one array get the same receipt."""
    raw = event()
    answer = await service.post([raw, consent(), raw])
    first, _, third = answer.json()
    assert first == third
    assert len(sink.records) == 2


async def test_the_same_id_with_other_content_is_another_fact(
    service: Service, sink: Memory
) -> None:
    """A sender that reuses an id loses neither of its two events."""
    await service.post(event(id="same"))
    await service.post(event(id="same", phone="3337654321"))
    assert len(sink.records) == 2


@pytest.mark.parametrize("indeterminate", [True, False])
async def test_what_the_log_does_not_confirm_is_503(
    service: Service, sink: Memory, indeterminate: bool
) -> None:
    """No 2xx without a delivery report: 503 with Retry-After, and the retry appends again."""
    raw = event()
    sink.failure = NotDurable("_MSG_TIMED_OUT", indeterminate=indeterminate)
    refused = await service.post([raw, consent()])
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert ("may hold" in refused.json()["detail"]) is indeterminate
    sink.failure = None
    answer = await service.post([raw])
    assert answer.status_code == 202
    assert len(sink.intents(OBJECTIONS)) == 1


async def test_a_repeat_of_a_failing_post_fails_with_it(service: Service, sink: Memory) -> None:
    """Whoever waits for another's append shares its failure, never a success."""
    sink.gate = asyncio.Event()
    sink.failure = NotDurable("_MSG_TIMED_OUT", indeterminate=True)
    raw = event()
    posts = [asyncio.create_task(service.post(raw)) for _ in range(2)]
    await under_way(sink)
    sink.gate.set()
    assert [answer.status_code for answer in await asyncio.gather(*posts)] == [503, 503]
    assert sink.sends == 1


async def test_a_cancelled_post_leaves_no_answer_behind(service: Service, sink: Memory) -> None:
    """A request cut short is forgotten: the next one appends and gets its own answer."""
    sink.gate = asyncio.Event()
    raw = event()
    cut = asyncio.create_task(service.post(raw))
    await under_way(sink)
    cut.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cut
    assert service.intake.abandoned
    sink.gate = None
    assert (await service.post(raw)).status_code == 202
    assert len(sink.records) == 1


async def test_a_cancelled_repeat_does_not_harm_the_first(service: Service, sink: Memory) -> None:
    """Whoever waits for another's append may leave: the other gets its answer all the same."""
    sink.gate = asyncio.Event()
    raw = event()
    first = asyncio.create_task(service.post(raw))
    await under_way(sink)
    repeat = asyncio.create_task(service.post(raw))
    await under_way(sink)
    repeat.cancel()
    with pytest.raises(asyncio.CancelledError):
        await repeat
    sink.gate.set()
    assert (await first).status_code == 202


async def test_too_much_under_way_is_503(
    service: Service, sink: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound on records under way nothing more is taken into memory."""
    assert IN_FLIGHT_MAX > 1000
    monkeypatch.setattr("noli.intake.accept.IN_FLIGHT_MAX", 1)
    answer = await service.post([event(), event()])
    assert (answer.status_code, sink.records) == (503, [])


async def test_a_revoked_source_is_acknowledged_from_every_partition(
    service: Service, sink: Memory
) -> None:
    """Its receipt names the first copy; each partition has one."""
    raw = event("source.revoked", data={"source_id": "list-9"})
    del raw["data"]["contact"]
    answer = await service.post(raw)
    assert answer.json()["receipt"] == "noli.control:0:0"
    assert [record.partition for record in sink.records] == [0, 1, 2]


async def test_events_are_counted_by_type_and_outcome(service: Service) -> None:
    """Accepted and repeated events stand in the metrics, unknown types under one label."""
    kind, door = "noli.erasure.requested.v1", {"source": "events"}
    accepted, repeated = counted("accepted", kind, **door), counted("repeated", kind)
    raw = event("erasure.requested")
    await service.post(raw)
    await service.post([raw])
    assert counted("accepted", kind, **door) == accepted + 1
    assert counted("repeated", kind) == repeated + 1
    unknown = counted("rejected", "other", reason="type")
    await service.post(event("invented.by.someone"))
    assert counted("rejected", "other", reason="type") == unknown + 1


async def test_a_refusal_is_counted_under_our_own_words_only(service: Service) -> None:
    """A wrong event names one of our fields as the reason, whatever its sender wrote."""
    raw = consent(data={"channels": ["+39 333 1234567"], "a@b.example": "c@d.example"})
    answer = await service.post(raw)
    assert answer.status_code == 422
    text = (await service.client.get("/metrics")).text
    assert 'kind="noli.consent.given.v1",reason="channels"' in text
    assert not [word for word in ("3331234567", "333 1234567", "@") if word in text]


async def test_records_are_readable_by_the_contract(service: Service, sink: Memory) -> None:
    """What is appended decodes as the contract's record, with the sender's identity."""
    raw = consent(data={"brands": ["sport"]})
    await service.post(raw)
    name, intent = codec().decode(sink.records[0].value)
    assert name == "noli.Intent"
    assert (intent["source"], intent["id"]) == (raw["source"], raw["id"])
    assert intent["brands"] == ["sport"]
    assert len(intent["fact_id"]) == 16


@pytest.mark.rule("OBJECT")
async def test_a_click_does_not_wait_for_a_batch(service: Service, sink: Memory) -> None:
    """A single objection posted after a batch of a thousand is stored before it."""
    batch = [consent() for _ in range(1000)]
    await asyncio.gather(service.post(batch), service.post(event()))
    assert sink.records[0].topic == OBJECTIONS
    assert len(sink.records) == 1001


CANARY_PHONE = "+447700900901"


async def test_a_contact_of_canaries_is_nobodys_and_consents_to_nothing(
    service: Service, sink: Memory
) -> None:
    """A grant for it is refused with the field named: it would prove what nobody can have said."""
    link = event("party.linked", phone=CANARY_PHONE, data={"party": "crm:7"})
    answer = await service.post([consent(phone=CANARY_PHONE), link, event(phone=CANARY_PHONE)])
    assert answer.status_code == 422
    problem = answer.json()
    assert [error["field"] for error in problem["errors"]] == ["data.contact.value"] * 2
    assert "reserved for canaries" in problem["errors"][0]["detail"]
    assert [stored["index"] for stored in problem["stored"]] == [2]  # an objection never is
    assert not sink.intents(GRANTS, PARTIES)
    assert len(sink.intents(OBJECTIONS)) == 1


async def test_the_prober_speaks_for_canaries_and_for_nobody_else(
    service: Service, sink: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the scope it may; a person's consent it may not give. Its events are counted apart."""
    key, line = apikeys.new("canary", ["events:write", "canary"])
    apikeys.write(service.key_file, [*apikeys.read(service.key_file), line])
    later = clock.steady() + apikeys.RELOAD_S
    monkeypatch.setattr(clock, "steady", lambda: later)
    allowed = {"Authorization": f"Bearer {key}"}
    said = {"source": "canary"}
    before = counted("accepted", "noli.consent.given.v1", **said)
    raws = [consent(phone=CANARY_PHONE), consent()]
    answers = [await service.client.post("/v1/events", json=raw, headers=allowed) for raw in raws]
    assert [answer.status_code for answer in answers] == [202, 422]
    assert "canaries only" in answers[1].json()["detail"]
    assert counted("accepted", "noli.consent.given.v1", **said) == before + 1
    assert len(sink.intents(GRANTS)) == 1
