"""A whole stack under a real Prometheus: what it exports, and each page by the fault it is for.

The rules are those of production on a faster clock. Faults come in turn, on one stack.
"""

from __future__ import annotations

import os
import re
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from typing import Final

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from deploy.observability.rules.files import groups
from deploy.observability.rules.model import PAGE, Clock
from noli.cli.pages.metrics import catalogue
from noli.cli.stack import credentials, kafka, ports, workers
from noli.cli.stack.program import Program, launch
from noli.cli.stack.workers import Worker
from noli.runtime.kafka import admin
from noli.runtime.registry import codec
from schemas.names import BEACON_KEY, DECISIONS, OBJECTIONS
from tests.support import blackbox
from tests.support.bad_app import HELD, LIES, SECRET, bad_app, failing
from tests.support.blackbox import Contact, consent, event, objection, until
from tests.support.drill import Drill
from tests.support.log import append
from tests.support.prometheus import prometheus, target
from tests.support.world import manifest

pytestmark = pytest.mark.timeout(300)

APP: Final = "crm"
IDLE: Final = "files"
#: Seconds for an alert to fire that waits for nothing but its windows.
SOON_S: Final = 60.0
#: And for one that waits for a worker to start and to hang.
LOST_S: Final = 90.0
#: Planted, and looked for in every scrape: digits of numbers and addresses of people.
PEOPLE: Final = 40


def mobile() -> Contact:
    """A number that no other test uses."""
    return "phone", f"+39301{uuid.uuid4().int % 10**7:07d}"


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """One stack for this file: an application that can be read back, and one that takes files."""
    tmp = tmp_path_factory.mktemp("watched")
    patch = pytest.MonkeyPatch()
    patch.setenv("NOLI_LEASE_SECONDS", "5")
    patch.setenv("JAVA_TOOL_OPTIONS", kafka.QUICK)  # its broker need not be fast later
    with ExitStack() as closing:
        closing.callback(patch.undo)
        app = closing.enter_context(bad_app())
        config = {
            "url": app.url,
            "secret": SECRET,
            "allow_private_addresses": True,
            "read_back_url": app.url + HELD,
        }
        often = {"recent_seconds": 1, "every_hours": 0.002}  # 7.2 s
        manifest(tmp / "apps", APP, "webhook", config, reconcile=often)
        (tmp / "files").mkdir()
        idle = {"directory": str(tmp / "files"), "interval_s": 0}
        manifest(tmp / "apps", IDLE, "file", idle, purposes=["relationship"])
        stack = closing.enter_context(
            blackbox.up(tmp / "data", tmp / "apps", "--wait", "170", canary_s=1.0)
        )
        client = closing.enter_context(stack.client())
        targets = stack.data / "prometheus-targets.json", tmp / "extra.json"
        watched = closing.enter_context(prometheus(tmp / "prometheus", *targets))
        yield Drill(stack, app, watched, client, tmp)


# --- what is exported -----------------------------------------------------------------------------


def test_a_healthy_stack_fires_nothing(drill: Drill) -> None:
    """Every process is scraped, and nobody is woken up; tickets may come, of a busy machine."""
    until(lambda: set(drill.watched.targets().values()) == {"up"}, "every target is up", SOON_S)
    until(lambda: not drill.watched.firing() & pages(), "all is well", SOON_S)
    assert "NoliDeadMan" in drill.watched.firing()


def pages() -> set[str]:
    """Alerts that wake somebody up."""
    alerts = chain.from_iterable(group.alerts for group in groups(Clock()))
    return {alert.name for alert in alerts if alert.severity == PAGE}


#: Exported only where something of the kind has happened: labels that no closed set names before.
OCCASIONAL: Final = {
    "noli_commit_failures_total",
    "noli_produce_failures_total",
    "noli_events_rejected_total",
    "noli_events_repeated_total",
    "noli_quarantined_total",
    "noli_app_again_total",
    "noli_replica_rebuilds_total",
}


def test_every_metric_of_the_catalogue_is_exported(drill: Drill) -> None:
    """By some process of the stack, but for what only trouble brings."""
    drill.client.send(consent(mobile(), "sms"))
    known = {metric.name for metric in catalogue()} - OCCASIONAL
    suffixed = re.compile(r"_(bucket|count|sum)$")

    def missing() -> set[str]:
        return known - {suffixed.sub("", name) for name in drill.watched.series()}

    until(lambda: not missing(), f"exported: {missing()}", SOON_S)


def test_no_series_is_told_by_two_processes(drill: Drill) -> None:
    """What belongs to an application is told by one: else its sums are doubled."""
    owners: dict[str, set[str]] = {}
    for process, text in drill.scrape().items():
        for line in text.splitlines():
            if f'app="{APP}"' in line and not line.startswith("#"):
                owners.setdefault(line.rpartition(" ")[0], set()).add(process)
    assert owners
    assert {series: who for series, who in owners.items() if len(who) > 1} == {}


def sizes(drill: Drill) -> Counter[str]:
    """How many series each process exports."""
    return Counter(
        {name: sum(not line.startswith("#") for line in text.splitlines())
         for name, text in drill.scrape().items()}
    )  # fmt: skip


def spoken(drill: Drill, people: int, tag: str) -> list[str]:
    """As many people object and consent, of brands and campaigns of their own; who they are."""
    seen = []
    for number in range(people):
        digits = f"{uuid.uuid4().int % 10**7:07d}"
        address = f"{tag}{digits}@planted.example"
        seen += [digits, address]
        phone, mail = ("phone", f"+39302{digits}"), ("email", address)
        drill.client.send(
            consent(phone, "sms") | {"source": f"https://{tag}{digits}.example/"},
            objection(phone),
            event("objection.raised", mail, brands=[f"brand-{digits}"], via="web"),
            event(
                "call.attended",
                phone,
                campaign=f"campaign-{digits}",
                answered_at="2026-11-28T10:00:00Z",
                comfort_noise=True,
                cut_after_ms=0,
            ),
        )
        drill.client.allowed([phone, mail], "sms")
        if number % 10 == 0:
            refused = drill.client.post(
                drill.client.intake, "/v1/events", blackbox.body(event(f"{tag}.{digits}", mail))
            )
            assert refused.status == 422
    return seen


def test_people_leave_no_trace_in_a_metric_and_no_series(drill: Drill) -> None:
    """Contacts, brands, campaigns, sources, unknown types: none makes a series or shows in one."""
    spoken(drill, 5, "a")
    until(lambda: settled(drill), "told", SOON_S)
    before = sizes(drill)
    seen = spoken(drill, PEOPLE, "b")
    until(lambda: settled(drill), "told", SOON_S)
    text = "\n".join(drill.scrape().values())
    assert [word for word in seen if word in text] == []
    assert [word for word in ("planted", "@", "+39", "brand-", "campaign-") if word in text] == []
    grown = {
        name: count - before[name] for name, count in sizes(drill).items() if count > before[name]
    }
    assert grown == {}


def settled(drill: Drill) -> bool:
    """Whether the application has nothing pending."""
    return drill.watched.value(f'noli_pending_events{{app="{APP}"}}') == 0


# --- each page, by the fault that it is for -------------------------------------------------------

PAGES: Final[dict[str, tuple[str, ...]]] = {}


def drilled(*alerts: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Says which pages a test fires."""

    def noted(test: Callable[..., None]) -> Callable[..., None]:
        PAGES[test.__name__] = alerts
        return test

    return noted


def test_every_page_is_drilled() -> None:
    """Each alert that wakes somebody up is fired for real below."""
    assert set(chain.from_iterable(PAGES.values())) == pages()


@drilled(
    "NoliAppNotAligned",
    "NoliWatermarkStuck",
    "NoliReconciliationStale",
    "NoliProbeLost",
    "NoliFreshnessBurnFast",
    "NoliFreshnessBurnSlow",
    "NoliProbeLate",
)
def test_an_application_that_stalls_and_resumes(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes nothing and tells nothing for half a minute; what it then takes is late.

    Of canaries those are lost that it was not told of within 20 s.
    """
    began = time.monotonic()

    def deaf(_raw: bytes) -> bytes:
        raise OSError("says nothing")

    with monkeypatch.context() as patch:
        patch.setattr(drill.app, "tell", deaf)
        drill.app.always(failing(503))
        drill.client.send(*(objection(mobile()) for _ in range(20)))
        stalled = PAGES["test_an_application_that_stalls_and_resumes"][:4]
        drill.watched.expect(stalled, began, LOST_S)
        assert "NoliCircuitOpen" in drill.watched.fired
    drill.app.always(None)
    resumed = time.monotonic()
    late = PAGES["test_an_application_that_stalls_and_resumes"][4:]
    drill.watched.expect(late, resumed, SOON_S)
    until(lambda: "NoliAppNotAligned" not in drill.watched.firing(), "aligned again", SOON_S)


@drilled("NoliDigestMismatch")
def test_an_application_that_lies(drill: Drill) -> None:
    """It confirms and keeps nothing: read back a second later, it is found out."""
    began = time.monotonic()
    drill.app.script(LIES)
    drill.client.send(objection(mobile()))
    try:
        drill.app.always(LIES)
        drill.client.send(objection(mobile()))
        drill.watched.expect(["NoliDigestMismatch"], began, SOON_S)
    finally:
        drill.app.always(None)


@drilled("NoliStaleReads")
def test_a_copy_that_is_not_kept_up(drill: Drill) -> None:
    """The replica's writer stands still: beyond the lease, whoever asks is denied."""
    with drill.stopped("replica") as began:

        def asked() -> bool:
            drill.client.allowed([mobile()], "sms")
            return drill.watched.fired.get("NoliStaleReads", 0.0) > began

        until(asked, "NoliStaleReads", SOON_S)


@drilled("NoliProcessDown", "NoliSeriesAbsent")
def test_a_watcher_that_hangs(drill: Drill) -> None:
    """It answers nobody, and what only it tells is told by nobody."""
    with drill.stopped("watch-0") as began:
        drill.watched.expect(["NoliProcessDown", "NoliSeriesAbsent"], began, SOON_S)


@drilled("NoliIntakeBurnFast", "NoliProbesSilent")
def test_a_log_that_takes_nothing(drill: Drill) -> None:
    """The broker stands still: posts are answered 503, the budget burns, and no canary flies."""
    with drill.stopped("kafka") as began, ThreadPoolExecutor(20) as pool:
        posts = [
            pool.submit(
                drill.client.post,
                drill.client.intake,
                "/v1/events",
                blackbox.body(objection(mobile())),
            )
            for _ in range(20)
        ]
        assert {post.result().status for post in posts} == {503}
        drill.watched.expect(["NoliProbesSilent"], began, SOON_S)
    drill.watched.expect(["NoliIntakeBurnFast"], began, SOON_S)


@drilled("NoliInvariantViolated")
def test_a_writer_that_does_not_own_the_decisions(drill: Drill) -> None:
    """What somebody else writes into an owned partition is found by the next own record.

    The broker that stood still may have cost the owner its claim: what is written between two
    claims is in nobody's way. So the stranger writes on.
    """
    began = time.monotonic()
    settings = drill.settings()
    beacon = codec(settings).encode("noli.Beacon", {"epoch": 1, "as_of": 1})

    def noticed() -> bool:
        append(settings, DECISIONS, [(partition, BEACON_KEY, beacon) for partition in range(8)])
        return bool(drill.watched.value("sum(noli_invariant_violations_total)"))

    until(noticed, "the stranger is noticed", SOON_S)
    drill.watched.expect(["NoliInvariantViolated"], began, SOON_S)


@drilled("NoliMassLift")
def test_far_more_consents_than_ever(drill: Drill) -> None:
    """Five times the most of a week, and more than a hundred."""
    began = time.monotonic()
    for _ in range(5):
        drill.client.send(*(consent(mobile(), "sms") for _ in range(400)))
    drill.watched.expect(["NoliMassLift"], began, SOON_S)


@drilled("NoliConsumerStalled")
def test_a_worker_whose_loop_stands_still(drill: Drill) -> None:
    """It owns partitions, answers its probes, and decides nothing."""
    began = time.monotonic()
    name = "suppress-9"
    port = ports.choose([name])[name]
    found = drill.stack.endpoints()
    shared = workers.Shared(
        data=drill.stack.data,
        kafka=found["kafka"],
        registry=found["registry"],
        intake=found["intake"],
        lookup=found["lookup"],
        board=found["status"],
        pepper=credentials.pepper(drill.stack.data),
        keys_file=drill.stack.data / credentials.KEYS_FILE,
    )
    worker = Worker(name, "streams.suppress", name)
    env = {
        **shared.environment(worker, port),
        "NOLI_FAILPOINTS": "processor.beacon:pause:40@20",
        "NOLI_FAILPOINTS_ALLOWED": "1",
    }
    program = Program(name, workers.command(worker), drill.tmp / f"{name}.log", env)
    target(drill.tmp / "extra.json", name, port)
    stalled = launch(program, with_parent=True)
    try:
        drill.watched.expect(["NoliConsumerStalled"], began, LOST_S)
    finally:
        stalled.signal(signal.SIGKILL)
        stalled.gone.wait()
        (drill.tmp / "extra.json").unlink()


@drilled("NoliConsumerRewound")
def test_a_group_that_somebody_reset(drill: Drill) -> None:
    """Its offsets are moved back while it is down; the next process says so."""
    path = drill.tmp / "apps" / f"{IDLE}.yaml"
    text, name = path.read_text("utf-8"), f"connectors-{IDLE}"
    began = time.monotonic()
    path.unlink()
    until(lambda: drill.stack.pid(name) is None, "it is gone", SOON_S)
    until(lambda: rewound(drill), "its offsets are moved", SOON_S)
    path.write_text(text, "utf-8")
    drill.watched.expect(["NoliConsumerRewound"], began, SOON_S)


def rewound(drill: Drill) -> bool:
    """Whether the broker took it: not while a member is thought to live."""
    client = admin(drill.settings())
    zero = [TopicPartition(DECISIONS, number, 0) for number in range(8)]
    request = ConsumerGroupTopicPartitions(f"noli.app.{IDLE}", zero)
    try:
        found = [one.result() for one in client.alter_consumer_group_offsets([request]).values()]
    except KafkaException:
        return False
    return all(place.error is None for one in found for place in one.topic_partitions)


@drilled("NoliQuarantineNonEmpty")
def test_a_record_that_nobody_can_read(drill: Drill) -> None:
    """It waits for a human, and holds everybody's alignment."""
    began = time.monotonic()
    append(drill.settings(), OBJECTIONS, [(0, os.urandom(17), b"no record of ours")])
    drill.watched.expect(["NoliQuarantineNonEmpty"], began, SOON_S)
