"""The whole of it, as a user has it: `noli up`, HTTP in, two applications and a lookup out."""

from __future__ import annotations

import json
import os
import re
import signal
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from noli.cli.demo import application
from noli.runtime.registry import codec
from tests.support import blackbox
from tests.support.blackbox import (
    CONTROLLER,
    Client,
    Contact,
    Stack,
    consent,
    event,
    objection,
    query,
    until,
)
from tests.support.log import Reader, append
from tests.support.world import SECONDS, World, opened, webhook_manifest

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One stack for the tests of this file; each test has contacts of its own."""
    with opened(tmp_path_factory.mktemp("end-to-end")) as found:
        yield found


@pytest.fixture
def mobile() -> Contact:
    """A number that no other test uses."""
    return "phone", f"+39301{uuid.uuid4().int % 10**7:07d}"


@pytest.fixture
def address() -> Contact:
    """An address that no other test uses, at an IDN domain."""
    return "email", f"{uuid.uuid4().hex}@xn--caff-citt-y1a6f.example"


@pytest.mark.rule("OBJECT")
def test_an_objection_is_obeyed_everywhere_and_a_later_consent_too(
    world: World, mobile: Contact
) -> None:
    """Unknown is denied; consent, objection, consent again: each holds at all three."""
    assert world.held(mobile, "sms") == [False] * 3
    world.client.send(consent(mobile, "sms"))
    world.everywhere(mobile, "sms", allowed=True)
    world.client.send(objection(mobile))
    world.everywhere(mobile, "sms", allowed=False)
    world.client.send(consent(mobile, "sms"))
    world.everywhere(mobile, "sms", allowed=True)


def test_another_spelling_is_the_same_contact(world: World) -> None:
    """An objection under one spelling denies the contact that consented under another."""
    tail = f"{uuid.uuid4().int % 10**7:07d}"
    world.client.send(consent(("phone", f"302 {tail}"), "sms"))
    number = ("phone", f"+39302{tail}")
    world.everywhere(number, "sms", allowed=True)
    world.client.send(objection(("phone", f"0039 302/{tail}")))
    world.everywhere(number, "sms", allowed=False)


@pytest.mark.rule("EVIDENCE")
def test_what_was_allowed_is_told_beside_what_is(world: World, mobile: Contact) -> None:
    """One question to the lookup: the past comes from the log, by way of the board."""
    (told,) = world.client.send(consent(mobile, "sms"))
    consented = {**query(mobile, "sms"), "at": told["accepted"]}
    world.everywhere(mobile, "sms", allowed=True)
    (told,) = world.client.send(objection(mobile))
    objected = {**query(mobile, "sms"), "at": told["accepted"]}
    world.everywhere(mobile, "sms", allowed=False)
    world.client.send(consent(mobile, "sms"))
    world.everywhere(mobile, "sms", allowed=True)
    before = {**query(mobile, "sms"), "at": "2026-01-01T00:00:00Z"}
    then, now = world.client.ask(before, query(mobile, "sms"))
    assert (then["allowed"], then["reasons"], now["allowed"]) == (False, ["NO_BASIS"], True)
    # Of the last half minute the lookup answers as of now; the board itself is exact.
    board = json.dumps({"queries": [before, consented, objected]}).encode()
    found = world.client.post(world.stack.endpoints()["status"], "/v1/decisions", board).json()
    assert [each["allowed"] for each in found["decisions"]] == [False, True, False]


@pytest.mark.parametrize("form", ["multipart", "urlencoded"])
def test_a_click_on_a_link_in_a_mail_is_an_objection(
    world: World, address: Contact, form: str
) -> None:
    """RFC 8058: the page changes nothing, the POST denies everywhere, and answers 200 again."""
    world.client.send(consent(address, "email"))
    world.everywhere(address, "email", allowed=True)
    path = link(world, address)
    page = world.client.request(world.client.intake, path, None, {"Accept": "text/html"})
    assert page.status == 200
    assert world.held(address, "email") == [True] * 3
    assert click(world.client, path, form) == 200
    world.everywhere(address, "email", allowed=False)
    assert click(world.client, path, form) == 200


def test_a_link_that_nobody_minted_is_unknown(world: World) -> None:
    """A forged token is a 404, without a hint."""
    assert click(world.client, "/u/AAAA", "urlencoded") == 404


def link(world: World, address: Contact) -> str:
    """Path of a minted unsubscribe link."""
    found = blackbox.run(
        "unsubscribe-link",
        "--controller",
        CONTROLLER,
        "--email",
        address[1],
        "--data",
        str(world.stack.data),
    )
    form = r"^List-Unsubscribe: <https?://[^/]+(/u/[^>]+)>$"
    header = re.search(form, found.stdout, re.MULTILINE)
    assert header, "no header of RFC 8058 to put into the mail"
    return header[1]


def click(client: Client, path: str, form: str) -> int:
    """What a mail provider posts: one field, no key."""
    body = b"List-Unsubscribe=One-Click"
    media = "application/x-www-form-urlencoded"
    if form == "multipart":
        media = "multipart/form-data; boundary=b"
        body = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
        body += b"One-Click\r\n--b--\r\n"
    return client.request(client.intake, path, body, {"Content-Type": media}).status


def test_the_same_event_again_is_one_event(world: World, mobile: Contact) -> None:
    """A repeated (source, id) changes nothing, also where the intake has forgotten the first."""
    said = consent(mobile, "sms")
    (first,) = world.client.send(said)
    world.client.send(objection(mobile))
    world.everywhere(mobile, "sms", allowed=False)
    pid = world.stack.pid("intake")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    (again,) = world.client.send(said)
    assert again["id"] == first["id"]
    assert again["receipt"] != first["receipt"]
    world.client.send(consent(mobile, "mms"))  # once this shows, what came before it has too
    world.everywhere(mobile, "mms", allowed=True)
    assert world.held(mobile, "sms") == [False] * 3


def test_a_refused_event_is_told_field_and_stores_nothing(world: World, mobile: Contact) -> None:
    """A consent to two purposes is a 422 that names the field."""
    wrong = consent(mobile, "sms")
    wrong["data"]["purpose"] = "marketing profiling"
    answer = world.client.insist("/v1/events", blackbox.body(wrong))
    assert answer.status == 422
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "data.purpose" in answer.body.decode()
    assert mobile[1] not in answer.body.decode()


def test_an_objection_of_an_unreadable_contact_is_kept_for_a_human(world: World) -> None:
    """202 with `quarantined`, and the whole event stands in noli.quarantine."""
    marker = f"mario rossi {uuid.uuid4().hex}"
    (answer,) = world.client.send(event("objection.raised", ("phone", marker), via="letter"))
    assert answer["quarantined"] is True
    assert quarantined(world, lambda found: marker.encode() in (found["value"] or b""))


@pytest.mark.rule("OBJECT")
def test_poison_under_a_contact_denies_that_contact(world: World, mobile: Contact) -> None:
    """Bytes nobody can read, under a contact's key: it is denied everywhere, a human is called."""
    (answer,) = world.client.send(consent(mobile, "sms"))
    world.everywhere(mobile, "sms", allowed=True)
    key = bytes.fromhex(world.crm.token(mobile))
    partition = int(answer["receipt"].split(":")[1])
    append(world.settings(), "noli.objections", [(partition, key, b"\x00not avro")])
    world.everywhere(mobile, "sms", allowed=False)
    assert quarantined(world, lambda found: found["key"] == key)


def quarantined(world: World, wanted: Callable[[dict[str, Any]], bool]) -> bool:
    """Whether such a record comes to stand in noli.quarantine."""
    settings = world.settings()
    contracts = codec(settings)
    reader = Reader(settings, "noli.quarantine")
    try:
        reader.until(
            lambda records: any(wanted(contracts.decode(each.value)[1]) for each in records),
            SECONDS,
        )
    finally:
        reader.close()
    return True


@pytest.mark.rule("ERASED")
def test_an_erased_contact_is_gone_from_everywhere_and_stays_denied(
    world: World, mobile: Contact
) -> None:
    """State, decisions, copy, table and application lose the number; its old consent comes back."""
    world.client.send(consent(mobile, "sms"))
    world.everywhere(mobile, "sms", allowed=True)
    key = bytes.fromhex(world.crm.token(mobile))
    world.client.send(event("erasure.requested", mobile))
    world.everywhere(mobile, "sms", allowed=False)
    with pytest.raises(KeyError):
        world.crm.token(mobile)
    assert world.dialer.rows_of(mobile) == 0
    newest = {topic: newest_of(world, topic, key) for topic in ("noli.state", "noli.decisions")}
    assert [topic for topic, value in newest.items() if mobile[1].encode() in value] == []
    copy = [path for path in (world.stack.data / "replica").rglob("*.mdb") if path.is_file()]
    assert [path for path in copy if mobile[1].encode() in path.read_bytes()] == []
    assert copy
    world.client.send(consent(mobile, "sms", "2024-01-01T00:00:00Z"))
    world.client.send(consent(mobile, "mms"))  # once this shows, what came before it has too
    world.everywhere(mobile, "mms", allowed=True)
    assert world.held(mobile, "sms") == [False] * 3


def newest_of(world: World, topic: str, key: bytes) -> bytes:
    """What a topic holds of a contact in the end: the record that says it is erased."""
    settings = world.settings()
    contracts = codec(settings)
    reader = Reader(settings, topic)

    def erased(value: bytes) -> bool:
        found = contracts.decode(value)[1]
        return found["contact" if topic == "noli.decisions" else "value"] is None

    try:
        records = reader.until(
            lambda found: any(one.key == key and one.value and erased(one.value) for one in found),
            SECONDS,
        )
    finally:
        reader.close()
    return [one.value for one in records if one.key == key and one.value][-1]


@pytest.mark.rule("PARTY")
@pytest.mark.parametrize("objects_first", [True, False])
def test_a_person_who_objects_is_obeyed_on_every_contact_of_theirs(
    world: World, mobile: Contact, address: Contact, *, objects_first: bool
) -> None:
    """Linked before the objection or after it: both contacts end denied, whatever they allowed."""
    person = f"crm:{uuid.uuid4().hex}"
    links = [event("party.linked", contact, party=person) for contact in (mobile, address)]
    objects = event("objection.raised", mobile, party=person, via="letter")
    del objects["data"]["contact"]
    world.client.send(consent(mobile, "sms"), consent(address, "email"))
    world.everywhere(mobile, "sms", allowed=True)
    world.everywhere(address, "email", allowed=True)
    for said in (objects, *links) if objects_first else (*links, objects):
        world.client.send(said)
    world.everywhere(mobile, "sms", allowed=False)
    world.everywhere(address, "email", allowed=False)


def test_a_second_stack_beside_the_first_keeps_to_itself(world: World, mobile: Contact) -> None:
    """Another `--data` is another company; what it learned outlives down and up; all of it ends."""
    with application.running() as other:
        apps, data = world.tmp / "other-apps", world.tmp / "other-data"
        webhook_manifest(apps, "crm", other)
        with blackbox.up(data, apps) as second, second.client() as sender:
            sender.send(consent(mobile, "sms"), consent(("phone", "+393034444444"), "sms"))
            until(lambda: other.allowed(mobile, "sms"), "the second stack's own app", SECONDS)
            sender.send(objection(mobile))
            until(lambda: not other.allowed(mobile, "sms"), "the objection", SECONDS)
            assert not world.crm.allowed(mobile, "sms")
            pids = processes(second)
        assert [name for name, one in pids.items() if one.is_running()] == []
        assert not (data / "endpoints.json").exists()
        with blackbox.up(data, apps) as again, again.client() as asker:
            asked = [mobile, ("phone", "+393034444444")]
            assert asker.allowed(asked, "sms") == [False, True]
    assert world.client.allowed([("phone", "+393034444444")], "sms") == [False]


def processes(stack: Stack) -> dict[str, psutil.Process]:
    """Everything a stack runs: its workers, the supervisor above them and what stands below."""
    workers = {name: psutil.Process(pid) for name, pid in stack.endpoints()["processes"].items()}
    supervisor = next(iter(workers.values())).parent()
    assert supervisor is not None
    below = {f"{one.name()}-{one.pid}": one for one in supervisor.children()}
    assert len(below) > len(workers), "Kafka and the registry are children too"
    return {**below, "supervisor": supervisor}
