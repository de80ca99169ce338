"""What happens on a stage: each brings one plant to bear, and passes where nothing is planted."""

from __future__ import annotations

import asyncio
import shutil
import signal

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from noli.domain import times
from noli.runtime import apps, broker
from noli.runtime.clock import now_ms, now_us
from noli.runtime.failpoints import Failpoint
from noli.runtime.kafka import Acked, admin
from noli.runtime.partition import partition_of
from noli.runtime.topics import wanted
from noli.wire.apps import Verb
from schemas.codec import topic_catalogue
from schemas.names import APPS, DECISIONS, GRANTS, OBJECTIONS, STATE
from tests.chaos.plants.stage import Stage
from tests.support.bad_app import failing
from tests.support.blackbox import Contact, consent, objection, until
from tests.support.decisions import decision, rows
from tests.support.dwellers import CHANNEL
from tests.support.household import APP, PARTITIONS, PATIENCE_S
from tests.support.log import append

CROWD = 12
SUPPRESS = "suppress-0"
CONNECTOR = f"connectors-{APP}"
_OLD = "2024-01-01T00:00:00Z"
#: A +39 number may be called for so long after its consent, in ms (REGISTER-FRESH).
_FRESH_MS = 15 * 86_400_000
_SOON_MS = 3_500
#: Everything that the stages before said is folded again by then, in seconds.
_FOLDED_S = 30.0
_MOST_BYTES = "max.message.bytes"


def objections(stage: Stage) -> None:
    """People consent, and object while the plant is at work."""
    people = stage.consented(CROWD)
    stage.house.settled(stage.people)
    with stage.planted(SUPPRESS):
        stage.people.object(*people)
        stage.rest()


def killed_while_deciding(stage: Stage) -> None:
    """Objections wait; the worker dies at its first record; its successor goes on."""
    _killed(stage, Failpoint.PROCESSOR_STEPPED)


def killed_between_state_and_decision(stage: Stage) -> None:
    """A worker dies once the states are through; its successor goes on with the plant."""
    _objections_wait(stage)
    stage.house.start(SUPPRESS, **_armed(Failpoint.PROCESSOR_STATES_DELIVERED))
    _died(stage, Failpoint.PROCESSOR_STATES_DELIVERED)
    stage.house.start(SUPPRESS, stage.plant)
    stage.rest()
    stage.house.kill(SUPPRESS)
    stage.house.start(SUPPRESS)
    stage.rest()


def _killed(stage: Stage, where: Failpoint) -> None:
    _objections_wait(stage)
    with stage.planted(SUPPRESS, **_armed(where)):
        _died(stage, where)
    stage.rest()


def _objections_wait(stage: Stage) -> None:
    people = stage.consented(CROWD)
    stage.house.settled(stage.people)
    stage.rest()  # else the first record it comes to may be one that was done
    with stage.down(SUPPRESS):
        stage.people.object(*people)


def _armed(where: Failpoint) -> dict[str, str]:
    return {"NOLI_FAILPOINTS": f"{where}:kill", "NOLI_FAILPOINTS_ALLOWED": "1"}


def _died(stage: Stage, where: Failpoint) -> None:
    running = stage.house.running[SUPPRESS]
    assert running.gone.wait(PATIENCE_S), f"nobody came to {where}"
    assert running.code == -signal.SIGKILL


def ties(stage: Stage) -> None:
    """An objection and a consent of the same moment, taken in the same millisecond."""
    people = [stage.people.someone() for _ in range(4)]
    with stage.planted(SUPPRESS):
        for who in people:
            now = times.text(now_ms())
            stage.people.say_at_once(objection(who, now), consent(who, CHANNEL, now))
        stage.people.denied += people
        stage.rest()


def consents_after_objections(stage: Stage) -> None:
    """Who objected says yes again, later."""
    people = stage.consented(4)
    stage.people.object(*people)
    stage.house.settled(stage.people)
    with stage.planted(SUPPRESS):
        stage.people.say_at_once(*(consent(who, CHANNEL) for who in people))
        stage.people.denied, stage.people.allowed = [], people
        stage.rest()


def told_again(stage: Stage) -> None:
    """What `consents_after_objections` may leave unreadable in the log is said anew."""
    stage.people.say_at_once(*(consent(who, CHANNEL) for who in stage.people.allowed))
    stage.house.settled(stage.people)


def another_producer(stage: Stage) -> None:
    """Objections come through a second intake; then old consents through the first again."""
    people = stage.consented(CROWD)
    stage.house.settled(stage.people)
    with stage.planted("intake"):
        stage.people.object(*people)
        stage.rest()
    stage.people.say_at_once(*(consent(who, CHANNEL, _OLD) for who in people))
    stage.rest()


def refused_by_the_broker(stage: Stage) -> None:
    """For a while the broker takes no decision of an ordinary size."""
    people = stage.consented(CROWD)
    stage.house.settled(stage.people)
    with stage.planted(SUPPRESS):
        running = stage.house.running[SUPPRESS]
        until(lambda: stage.house.ready(SUPPRESS), "ready", PATIENCE_S)
        _limit(stage, "150")
        stage.people.object(*people)
        if stage.plant:
            stage.rest()
        else:
            assert running.gone.wait(PATIENCE_S), "it went on without its output"
        _limit(stage, "1048588")
    if not stage.plant:
        stage.house.start(SUPPRESS)
    stage.rest()


def _limit(stage: Stage, most: str) -> None:
    entry = ConfigEntry(_MOST_BYTES, most, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, DECISIONS, incremental_configs=[entry])
    client = admin(stage.house.settings())
    for done in client.incremental_alter_configs([resource]).values():
        done.result()


def a_backlog(stage: Stage) -> None:
    """Objections wait while nobody decides; whoever takes over finds them and newer ones."""
    before, after = stage.consented(CROWD), stage.consented(CROWD)
    stage.house.settled(stage.people)
    with stage.down(SUPPRESS):
        stage.people.object(*before)
    if not stage.plant:
        stage.house.start(SUPPRESS)
    with stage.planted(SUPPRESS):
        until(lambda: stage.house.ready(SUPPRESS), "ready", PATIENCE_S)
        stage.people.object(*after)
        stage.rest()


def a_moment_passes(stage: Stage) -> None:
    """A verdict lapses by itself, under a worker that took over with a lost disk."""
    who = stage.people.someone()
    given = now_ms() - _FRESH_MS + _SOON_MS
    stage.people.say(consent(who, "operator_call", times.text(given)))
    stage.people.others.append(who)
    called = "operator_call", "marketing", "*"
    until(lambda: called in _held(stage, who), "the call allowed", PATIENCE_S)
    stage.rest()  # committed: else its successor decides it again, and knows its moment
    stage.house.kill(SUPPRESS)
    shutil.rmtree(stage.house.folder / SUPPRESS / "state")
    if not stage.plant:
        stage.house.start(SUPPRESS)
    with stage.planted(SUPPRESS):
        # Who has not begun has missed no moment, on a busy machine.
        until(lambda: stage.house.ready(SUPPRESS), "ready", PATIENCE_S)
        until(lambda: now_ms() > given + _FRESH_MS + 2_500, "the moment passed", PATIENCE_S)
        stage.rest()


def _held(stage: Stage, who: Contact) -> set[tuple[str, str, str]]:
    held = stage.house.app.held.get(stage.house.token(who).hex())
    return {pair for pair, yes in held.allowed.items() if yes} if held else set()


def garbage(stage: Stage) -> None:
    """Records nobody can read stand under the tokens of people who may be contacted."""
    people = stage.consented(4)
    stage.house.settled(stage.people)
    with stage.planted(SUPPRESS):
        keys = [stage.house.token(who) for who in people]
        found = [(partition_of(key, PARTITIONS), key, b"\x00garbage") for key in keys]
        append(stage.house.settings(), OBJECTIONS, found)
        stage.people.allowed, stage.people.denied = [], people
        stage.rest()


def a_past_is_folded_anew(stage: Stage) -> None:
    """Behind people's consents stand records that nobody can read; then the state is lost."""
    people = stage.consented(4)
    stage.house.settled(stage.people)
    keys = [stage.house.token(who) for who in people]
    found = [(partition_of(key, PARTITIONS), key, b"\x00garbage") for key in keys]
    append(stage.house.settings(), GRANTS, found)
    stage.people.allowed, stage.people.denied = [], people
    stage.house.settled(stage.people)
    stage.rest()
    stage.house.kill(SUPPRESS)
    _lose_state(stage)
    # Whoever finds that its state is another one sets its input back, and ends.
    assert stage.house.start(SUPPRESS).gone.wait(PATIENCE_S), "it went on without its state"
    if not stage.plant:
        stage.house.start(SUPPRESS)
    with stage.planted(SUPPRESS):
        stage.rest(_FOLDED_S)


def _lose_state(stage: Stage) -> None:
    """The topic is deleted, and made anew."""
    client = broker.admin(stage.house.settings())
    client.delete_topics([STATE], request_timeout=PATIENCE_S)[STATE].result()
    until(lambda: STATE not in broker.look(client).topics, "the state gone", PATIENCE_S)
    broker.create(client, [each for each in wanted(topic_catalogue(), 1) if each.name == STATE])


def a_late_record(stage: Stage) -> None:
    """Somebody who lost the partition writes while nobody owns it."""
    people = stage.consented(4)
    stage.people.object(*people)
    stage.house.settled(stage.people)
    stage.rest()
    with stage.down(SUPPRESS):
        _write_late(stage, people)
    if not stage.plant:
        stage.house.start(SUPPRESS)
    with stage.planted(SUPPRESS):
        until(lambda: stage.house.ready(SUPPRESS), "ready", PATIENCE_S)
        stage.rest()


def a_zombie(stage: Stage) -> None:
    """A worker that lost its partition long ago says that people who objected are allowed."""
    people = stage.consented(4)
    stage.people.object(*people)
    stage.house.settled(stage.people)
    with stage.planted(CONNECTOR):
        until(lambda: stage.house.ready(CONNECTOR), "ready", PATIENCE_S)
        late = _write_late(stage, people)
        until(lambda: not late & _last(stage), "written over by the owner", PATIENCE_S)
        stage.rest()


def _last(stage: Stage) -> set[bytes | None]:
    """What stands last of everybody in the decisions."""
    stage.house.log_reader.read()
    return set({raw.key: raw.value for raw in stage.house.log_reader.of(DECISIONS)}.values())


def _write_late(stage: Stage, people: list[Contact]) -> set[bytes]:
    """Decisions of an old epoch, and of a version above all others; their bytes."""
    late = []
    for who in people:
        key = stage.house.token(who)
        contact = {"kind": who[0], "value": who[1]}
        datum = decision(1, now_us() + 5_000_000, contact=contact, rows=rows([CHANNEL]))
        value = stage.house.codec.encode("noli.Decision", datum)
        late.append((partition_of(key, PARTITIONS), key, value))
    append(stage.house.settings(), DECISIONS, late)
    return {value for _, _, value in late}


def an_application_fails_once(stage: Stage) -> None:
    """The application answers the next requests with 500, whatever is in them."""
    people = stage.consented(4)
    stage.house.settled(stage.people)
    with stage.planted(CONNECTOR):
        until(lambda: stage.house.ready(CONNECTOR), "ready", PATIENCE_S)
        stage.house.app.script(*[failing(500)] * 2)
        stage.people.object(*people)
        stage.rest()


def an_application_is_down_for_objections(stage: Stage) -> None:
    """The application took the consents, and answers with 500 for some beacons."""
    people = stage.consented(4)
    stage.house.settled(stage.people)
    with stage.planted(CONNECTOR):
        until(lambda: stage.house.ready(CONNECTOR), "ready", PATIENCE_S)
        stage.house.app.always(failing(500))
        try:
            stage.people.object(*people)
            later = now_ms() + 3_000
            until(lambda: now_ms() > later, "beacons", PATIENCE_S)
        finally:
            stage.house.app.always(None)
        stage.rest()


def an_application_is_down(stage: Stage) -> None:
    """The application answers with 500 while people first consent and then object."""
    with stage.planted(CONNECTOR):
        until(lambda: stage.house.ready(CONNECTOR), "ready", PATIENCE_S)
        stage.house.app.always(failing(500))
        try:
            people = stage.consented(4)
            failed = len(stage.house.app.received)
            app = stage.house.app
            app.wait_for(lambda app: len(app.received) > failed)
            stage.people.object(*people)
            stage.rest(1.0)
        finally:
            stage.house.app.always(None)
        stage.rest()


def an_application_forgets(stage: Stage) -> None:
    """The application's database is empty one day; it is filled again."""
    people = stage.consented(CROWD)
    stage.people.object(*people[::2])
    stage.house.settled(stage.people)
    with stage.planted(CONNECTOR):
        until(lambda: stage.house.ready(CONNECTOR), "ready", PATIENCE_S)
        stage.rest()
        stage.house.app.rewind({})
        asyncio.run(_filled(stage))


async def _filled(stage: Stage) -> None:
    acked = Acked(stage.house.settings(instance="somebody"))
    try:
        desk = apps.Desk(acked, stage.house.codec, APPS)
        asked = await desk.act(APP, Verb.BACKFILL, by="somebody@here")
    finally:
        await acked.close()

    def done() -> bool:
        app = apps.look(stage.house.settings(), stage.house.codec, APPS)[APP]
        return app.job is not None and app.job.id == asked and app.job.done(PARTITIONS)

    await asyncio.to_thread(until, done, "the backfill", PATIENCE_S)


def a_copy_grows_old(stage: Stage) -> None:
    """Nobody keeps the copy current while people object; the lease is two seconds."""
    people = stage.consented(4)
    stage.house.settled(stage.people)
    stage.house.start("lookup", stage.plant, NOLI_LEASE_SECONDS="2")
    try:
        until(lambda: stage.house.client.allowed(people, CHANNEL) == [True] * 4, "asked", 30)
        stage.house.kill("replica")
        stage.people.object(*people)
        old = now_ms() + 3_500
        until(lambda: now_ms() > old, "the lease over", PATIENCE_S)
        for who in people:
            stage.ask(who)
    finally:
        stage.house.kill("lookup")
        stage.house.start("replica")
    stage.house.settled(stage.people)
