"""The Faust app: what is asserted before it starts."""

from __future__ import annotations

from importlib import metadata

import pytest
from faust.exceptions import AlreadyConfiguredWarning
from mode import OneForOneSupervisor

from noli.runtime.settings import Settings
from streams.watch import app as watch
from streams.watch.app import Unsafe, create_app, refuse_unsafe


def test_the_app_is_what_was_tested() -> None:
    """Compiled stream, version, one broker per server, static member, no web, no tables."""
    made = create_app(Settings(kafka="one:9092, two:9092", instance="watch-7"), ())
    assert [url.host for url in made.conf.broker] == ["one", "two"]
    assert made.conf.consumer_group_instance_id == "watch-7"
    assert made.conf.broker_session_timeout <= 10
    assert made.conf.producer_acks == -1


@pytest.mark.parametrize(
    "setting, value, named",
    [
        ("producer_threaded", True, "producer_threaded"),
        ("web_enabled", True, "web"),
        ("topic_allow_declare", True, "topic_allow_declare"),
        ("agent_supervisor", OneForOneSupervisor, "agents crash"),
    ],
)
def test_a_setting_that_loses_events_is_refused(setting: str, value: object, named: str) -> None:
    """Each of them by name."""
    made = create_app(Settings(), ())
    with pytest.warns(AlreadyConfiguredWarning):
        setattr(made.conf, setting, value)
    with pytest.raises(Unsafe, match=named):
        refuse_unsafe(made)


def test_another_faust_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version is read first; a stream that is not compiled acknowledges what it drops."""
    made = create_app(Settings(), ())
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", lambda _: "0.99.0")
        with pytest.raises(Unsafe, match="faust-streaming is"):
            refuse_unsafe(made)
    monkeypatch.setattr(watch, "_is_compiled", lambda: False)
    with pytest.raises(Unsafe, match="compiled"):
        refuse_unsafe(made)


def test_a_table_is_refused() -> None:
    """The watcher keeps none."""
    made = create_app(Settings(), ())
    made.Table("counts")
    with pytest.raises(Unsafe, match="no tables"):
        refuse_unsafe(made)
