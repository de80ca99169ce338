"""The intake's OpenAPI document says what the service does: routes, types, answers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from jsonschema import Draft202012Validator

from noli.domain import details
from noli.intake.links import Link
from noli.runtime.kafka import NotDurable
from noli.wire.apps import Face, Part, Verb
from tests.support.intake import Memory, Service, consent, event
from tests.support.openapi import Description

DESCRIPTION: Final = Description("noli.intake")
DOCUMENT: Final = DESCRIPTION.document


def test_every_schema_is_a_schema_and_every_reference_leads_somewhere() -> None:
    """The document is sound in itself."""
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)

    def walk(node: object) -> None:
        if isinstance(node, dict):
            assert DESCRIPTION.resolved(node) is not None
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(DOCUMENT)


def test_every_event_type_is_described_and_no_other() -> None:
    """The enumeration of types is the domain's table."""
    described = DOCUMENT["components"]["schemas"]["Event"]["properties"]["type"]["enum"]
    assert set(described) == set(details.READERS)


async def test_every_path_is_served(tmp_path: Path) -> None:
    """Each described operation exists (anything but 404 and 405, or 404 by its own rule)."""
    service = Service(tmp_path, Memory())
    for path, item in DOCUMENT["paths"].items():
        for method in set(item) & {"get", "post", "put", "delete"}:
            url = path.replace("{token}", service.links.mint(Link("acme", "email", "a@b.it", 0)))
            answer = await service.client.request(method, url.replace("{app}", "crm"))
            assert answer.status_code not in {404, 405}, (method, path)
            DESCRIPTION.check(method, path, answer)


@pytest.mark.parametrize(
    "content, status",
    [
        (event(), 202),
        ([event(), consent(), event(phone="?")], 202),
        ([consent(data={"purpose": "*"}), event()], 422),
        (b"{", 400),
        (b" " * 1_000_001, 413),
    ],
)
async def test_answers_to_events_are_as_described(
    tmp_path: Path, content: object, status: int
) -> None:
    """Status, media type and body of what the service really answers fit the document."""
    answer = await Service(tmp_path, Memory()).post(content)
    assert answer.status_code == status
    DESCRIPTION.check("post", "/v1/events", answer)


async def test_doubts_and_limits_are_as_described(tmp_path: Path) -> None:
    """401, 403, 415, 429 and 503 are in the document too."""
    sink = Memory()
    service = Service(tmp_path, sink, events_per_s=1)
    sink.failure = NotDurable("_MSG_TIMED_OUT", indeterminate=True)
    read_only = f"Bearer {service.keys['decisions:read']}"
    answers = [
        await service.post(event(), Authorization="Bearer noli_unknown"),
        await service.post(event(), Authorization=read_only),
        await service.post(event(), Content_Type="text/plain"),
        await service.post(event()),
        await service.post([event() for _ in range(9)]),
        await service.post([event() for _ in range(9)]),
    ]
    assert [answer.status_code for answer in answers] == [401, 403, 415, 503, 429, 429]
    for answer in answers:
        DESCRIPTION.check("post", "/v1/events", answer)


async def test_one_click_answers_are_as_described(tmp_path: Path) -> None:
    """Machine and person, known and unknown link, log there and not there."""
    sink = Memory()
    service = Service(tmp_path, sink)
    url = f"/u/{service.links.mint(Link('acme', 'email', 'a@b.it', 0))}"
    for headers in ({}, {"Accept": "text/html"}):
        answer = await service.client.post(url, headers=headers)
        DESCRIPTION.check("post", "/u/{token}", answer)
    DESCRIPTION.check("post", "/u/{token}", await service.client.post("/u/x"))
    DESCRIPTION.check("get", "/u/{token}", await service.client.get("/u/x"))
    sink.failure = NotDurable("_MSG_TIMED_OUT", indeterminate=True)
    DESCRIPTION.check("post", "/u/{token}", await service.client.post(url))


async def test_what_is_said_of_applications_is_as_described(tmp_path: Path) -> None:
    """Each order is taken, refused and put off in the described shape; so is what is shown."""
    sink = Memory()
    service = Service(tmp_path, sink)
    service.client.headers["Authorization"] = f"Bearer {service.keys['admin']}"
    face = Face("redis", ("acme",), ("operator_call",), ("marketing",), third_party=False)
    orders = [
        (method, path)
        for path, item in DOCUMENT["paths"].items()
        for method in set(item) & {"put", "post", "delete"}
        if "{app}" in path
    ]
    assert len(orders) == 6
    for method, path in orders:
        await service.desk.act("crm", Verb.ADDED, by="anna", face=face)
        url = path.replace("{app}", "crm")
        sink.failure = NotDurable("_MSG_TIMED_OUT", indeterminate=True)
        answers = [
            await service.client.request(method, path.replace("{app}", "nobody")),
            await service.client.request(method, url, params={"reason": "x" * 1_001}, content=b"["),
            await service.client.request(method, url),
        ]
        assert {answer.status_code for answer in answers[:2]} <= {400, 404, 422}
        assert answers[2].status_code == 503
        sink.failure = None
        answers.append(await service.client.request(method, url))
        assert answers[-1].status_code == 202
        for answer in answers:
            DESCRIPTION.check(method, path, answer)
    job = await service.desk.act("dialer", Verb.REPAIR, by="anna", sample=0.5)
    part = Part(7, 9, 5, 2, {"allowed": 1}, done=False, at=1)
    await service.desk.progress("dialer", job, "connectors-dialer", 0, part)
    for path in ("/v1/apps", "/v1/apps/{app}/status"):
        answer = await service.client.get(path.replace("{app}", "dialer"))
        assert answer.status_code == 200
        DESCRIPTION.check("get", path, answer)
        service.ready = (False, {"why": "no broker"})
        DESCRIPTION.check("get", path, await service.client.get(path.replace("{app}", "dialer")))
        service.ready = (True, {})
