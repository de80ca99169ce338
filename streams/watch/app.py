"""The Faust app: its settings, each with its reason, and what is asserted before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import faust
from faust.streams import Stream
from mode import CrashingSupervisor

from streams.watch.transport import credentials, properties

if TYPE_CHECKING:
    from noli.runtime.settings import Settings
    from streams.watch.room import Room

GROUP: Final = "noli.watch"
#: The version that was read, line by line, for how it loses events (docs/adr/0010). Another one is
#: read again first.
FAUST: Final = "0.15.3"
#: A watcher silent for this long loses its partitions, in seconds; as every other worker.
SESSION_S: Final = 6.0
_HEARTBEAT_S: Final = 1.0
#: Between two commits of what is acknowledged, in seconds.
_COMMIT_S: Final = 1.0
#: Commits by count are made inside the intake of records, which waits for them: never.
_NEVER: Final = 1_000_000_000
#: A send that the broker has not answered by then has failed, in seconds.
_SEND_S: Final = 10.0
#: Records read ahead of the agent; more would only be latency.
_BUFFER: Final = 512


class Unsafe(Exception):
    """Faust is not what this program was made for; names what differs."""


def create_app(settings: Settings, rooms: Iterable[Room]) -> faust.App:
    """An app with these rooms, not started. Raises `Unsafe`, `UnknownSecurity`."""
    app = faust.App(
        GROUP,
        version=1,
        broker=[f"kafka://{server.strip()}" for server in settings.kafka.split(",")],
        broker_credentials=credentials(properties(settings.kafka_config_file)),
        broker_client_id=settings.instance,
        # A watcher that is started again within the session keeps its partitions: no rebalance.
        consumer_group_instance_id=settings.instance,
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=_HEARTBEAT_S,
        broker_commit_interval=_COMMIT_S,
        broker_commit_every=_NEVER,
        broker_max_poll_records=_BUFFER,
        consumer_auto_offset_reset="earliest",
        processing_guarantee="at_least_once",
        producer_acks=-1,
        producer_request_timeout=_SEND_S,
        producer_threaded=False,  # its flush flushes nothing
        key_serializer="raw",
        value_serializer="raw",
        agent_supervisor=CrashingSupervisor,
        # What is not acknowledged is read again; waiting for it would stall a rebalance.
        stream_wait_empty=False,
        stream_buffer_maxsize=_BUFFER,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        web_tables_enabled=False,
        web_router_enabled=False,
        autodiscover=False,
    )
    for room in rooms:
        room.enter(app)
    refuse_unsafe(app)
    return app


def refuse_unsafe(app: faust.App) -> None:
    """Raise `Unsafe` unless this is the Faust, and the configuration, that was tested."""
    conf: Any = app.conf
    wanted = {
        f"faust-streaming is {FAUST}": metadata.version("faust-streaming") == FAUST,
        "the stream iterator is compiled": Stream.__module__ == "faust.streams" and _is_compiled(),
        "producer_threaded is off": not conf.producer_threaded,
        "processing_guarantee is at_least_once": conf.processing_guarantee.name == "AT_LEAST_ONCE",
        "web is off": not (conf.web_enabled or conf.web_tables_enabled or conf.web_router_enabled),
        "topic_allow_declare is off": not conf.topic_allow_declare,
        "there are no tables": not app.tables,
        "agents crash the app": conf.agent_supervisor is CrashingSupervisor,
    }
    broken = [name for name, holds in wanted.items() if not holds]
    if broken:
        raise Unsafe(f"not so: {'; '.join(broken)}")


def _is_compiled() -> bool:
    """The pure-Python twin acknowledges events that it drops in a rebalance."""
    try:
        from faust._cython import streams  # noqa: PLC0415 - absent where nothing is compiled
    except ImportError:
        return False
    return not str(streams.__file__).endswith(".py")
