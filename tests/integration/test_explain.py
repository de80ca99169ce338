"""`noli explain` on a real broker and registry: every record of a contact is found, no other."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from noli import wire
from noli.cli.explain import app
from noli.domain import facts, times
from noli.domain.contact import normalise
from noli.domain.facts import Fact
from noli.domain.token import Pepper, token
from noli.runtime import registry, subjects
from noli.runtime.kafka import producer_config
from noli.runtime.partition import partition_of
from tests.support.law import consent, fact, on
from tests.support.stack import Stack

SECRET: Final = "ab" * 32
PEPPER: Final = Pepper(1, bytes.fromhex(SECRET))
OTHERS: Final = 300
_FLUSH_S: Final = 30.0


class Desk:
    """A log with other contacts in it, and one that is asked about."""

    def __init__(self, stack: Stack, tmp: Path) -> None:
        self.names = stack.topics(prefix="")
        self.settings = stack.settings(data=tmp / "codec")
        with subjects.connected(stack.registry) as client:
            subjects.apply(client, subjects.plan(client))
        self.codec = registry.codec(self.settings)
        #: A controller that no other test has: the topics are the session's.
        self.controller = f"explain-{secrets.token_hex(6)}"
        self.phone = "+39333" + f"{secrets.randbelow(10**7):07d}"
        self.environment = {
            "NOLI_KAFKA": stack.kafka,
            "NOLI_REGISTRY": stack.registry,
            "NOLI_PEPPER": SECRET,
            "NOLI_DATA": str(tmp / "codec"),
        }
        self._producer = Producer(producer_config(self.settings))
        self.partitions: dict[str, int] = {}

    def fact(self, kind: str, day: float, **data: Any) -> Fact:  # noqa: ANN401 - as a sender posts
        """A fact of the contact asked about."""
        return fact(kind, day, **self.about(), **data)

    def about(self) -> dict[str, Any]:
        """Who it is about."""
        contact = {"kind": "phone", "value": self.phone}
        return {"controller": self.controller, "contact": contact}

    def put(self, found: Iterable[Fact]) -> None:
        """Append facts as intake does; the broker chooses the partition."""
        for each in found:
            value = self.codec.encode("noli.Intent", wire.fact_to_intent(each))
            if isinstance(each.detail, facts.SourceRevoked):
                for number in range(8):
                    self.append("noli.control", None, value, number)
            else:
                assert each.contact is not None
                key = token(PEPPER, each.controller, each.contact)
                lane = "noli.objections" if each.denies else "noli.grants"
                self.append(lane, key, value)
        assert self._producer.flush(_FLUSH_S) == 0

    def append(self, topic: str, key: bytes | None, value: bytes, partition: int = -1) -> None:
        """One record; where the broker put it is kept, by key."""

        def delivered(error: object, message: Any) -> None:  # noqa: ANN401 - confluent's message
            assert error is None
            if key is not None:
                self.partitions[key.hex()] = message.partition()

        self._producer.produce(topic, value, key, partition, on_delivery=delivered)
        self._producer.poll(0)

    def explain(self, *options: str, env: Mapping[str, str | None] | None = None) -> Any:  # noqa: ANN401
        """`noli explain` as a user runs it; its result."""
        given = [self.phone, "--controller", self.controller, *options]
        return CliRunner().invoke(app, given, env={**self.environment, **(env or {})})


@pytest.fixture(scope="module")
def desk(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A log with a story in it: consent, revoked source, objection, and something unreadable."""
    found = Desk(stack, tmp_path_factory.mktemp("explain"))
    story = [
        found.fact("consent.given", 1, purpose="marketing", channels=["sms"], source_id="fair",
                   evidence={"ref": "form-7"}),
        found.fact("objection.raised", 4, via="sms_stop"),
        fact("source.revoked", 3, controller=found.controller, source_id="fair", contact=None),
    ]  # fmt: skip
    others = [
        consent(
            1, controller=found.controller, contact={"kind": "phone", "value": f"+39340{n:07d}"}
        )
        for n in range(OTHERS)
    ]
    found.put([*others[: OTHERS // 2], *story, *others[OTHERS // 2 :]])
    return found


def answers(desk: Desk, day: float, *options: str) -> dict[str, Any]:
    """The JSON of an explanation of SMS for marketing as of a day."""
    asked = ("--channel", "sms", "--purpose", "marketing", "--at", times.text(on(day)), "--json")
    result = desk.explain(*asked, *options)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = orjson.loads(result.stdout)
    return found


@pytest.mark.rule("EVIDENCE")
def test_each_moment_of_a_contact_is_explained_from_the_log(desk: Desk) -> None:
    """Unknown, allowed, source revoked, objected: each with the facts known by then."""
    found = [answers(desk, day) for day in (0.5, 2, 3.5, 5)]
    assert [each["answers"][0]["allowed"] for each in found] == [False, True, False, False]
    codes = [[reason["code"] for reason in each["answers"][0]["reasons"]] for each in found]
    assert codes == [["NO_BASIS"], [], ["SOURCE_UNLAWFUL"], ["SOURCE_UNLAWFUL", "OBJECTED"]]
    kinds = [[entry["type"] for entry in each["facts"]] for each in found]
    assert kinds[-1] == ["ConsentGiven", "SourceRevoked", "ObjectionRaised"]
    assert [len(each) for each in kinds] == [0, 1, 2, 3]


def test_receipts_lead_to_the_record(desk: Desk) -> None:
    """topic:partition:offset, in the partition where the broker itself put the key."""
    places = [entry["receipt"].split(":") for entry in answers(desk, 5)["facts"]]
    key = token(PEPPER, desk.controller, normalise("phone", desk.phone))
    assert [place[0] for place in places] == ["noli.grants", "noli.control", "noli.objections"]
    assert {int(place[1]) for place in places} == {desk.partitions[key.hex()]}


def test_every_key_is_sought_where_the_broker_puts_it(desk: Desk) -> None:
    """The partition computed equals librdkafka's for hundreds of keys."""
    assert len(desk.partitions) > OTHERS
    wrong = {k for k, p in desk.partitions.items() if partition_of(bytes.fromhex(k), 8) != p}
    assert wrong == set()


def test_the_screen_speaks_italian_and_shows_no_other_contact(desk: Desk) -> None:
    """The verdict, the rule and the receipt; none of the other contacts of the log."""
    result = desk.explain("--lang", "it", "--at", times.text(on(5)))
    assert result.exit_code == 0
    for part in ("VIETATO", "regola OBJECT", "noli.objections:", "form-7"):
        assert part in result.stdout
    assert "+39340" not in result.output


def test_a_contact_nobody_knows_is_nothing_recorded(desk: Desk) -> None:
    """Exit code 0, denied, and no fact."""
    result = CliRunner().invoke(
        app, ["nobody@example.it", "--controller", desk.controller], env=desk.environment
    )
    assert result.exit_code == 0
    assert "Nothing recorded of this contact" in result.stdout
    assert "DENIED" in result.stdout


def test_an_unreadable_record_of_the_contact_is_named(desk: Desk) -> None:
    """Written under its key, it denies everything and its place is told."""
    other = "+39333" + f"{secrets.randbelow(10**7):07d}"
    key = token(PEPPER, desk.controller, normalise("phone", other))
    desk.append("noli.grants", key, b"\x00rubbish")
    desk.put([])
    result = CliRunner().invoke(
        app, [other, "--controller", desk.controller, "--json"], env=desk.environment
    )
    assert result.exit_code == 0, result.output
    found = orjson.loads(result.stdout)
    (place,) = found["unreadable"]
    assert place.rsplit(":", 1)[0] == f"noli.grants:{desk.partitions[key.hex()]}"
    assert {"QUARANTINED"} <= {r["code"] for a in found["answers"] for r in a["reasons"]}


@pytest.mark.parametrize(
    "options, env, problem, remedy",
    [
        (["--at", "yesterday"], {}, "--at is not a moment", "offset"),
        (["--kind", "email"], {}, "the contact cannot be read", "e-mail"),
        ([], {"NOLI_KAFKA": "127.0.0.1:1"}, "no Kafka at 127.0.0.1:1", "noli up"),
        ([], {"NOLI_PEPPER": ""}, "NOLI_PEPPER is not set", "--data"),
        ([], {"NOLI_KAFKA": None}, "no stack runs in nowhere", "noli up"),
    ],
)
def test_what_cannot_be_explained_says_what_to_do(
    desk: Desk,
    options: list[str],
    env: dict[str, str | None],
    problem: str,
    remedy: str,
) -> None:
    """Each problem names its fact and its remedy, never the contact."""
    result = desk.explain(*options, "--data", "nowhere", env=env)
    said = result.exception
    assert problem in said.fact
    assert remedy in said.remedy
    assert desk.phone not in said.fact + said.remedy
