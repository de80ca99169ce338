"""A manifest: what it means, and how each mistake in it is named."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors import manifest, registry
from connectors.manifest import ManifestError
from connectors.sinks.webhook import Webhook
from noli.domain.channel import CHANNELS, PURPOSES

SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
GOOD: dict[str, Any] = {
    "app": "crm",
    "sink": "webhook",
    "controllers": ["acme"],
    "config": {"url": "https://crm.example/hooks/noli", "secret": SECRET},
}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a manifest: GOOD, but for what is given; None takes a field out."""

    def written(**over: Any) -> Path:  # noqa: ANN401 - fields of a manifest
        content = {k: v for k, v in {**GOOD, **over}.items() if v is not None}
        path = tmp_path / "crm.yaml"
        path.write_text(yaml.safe_dump(content), "utf-8")
        return path

    return written


def refusal(path: Path) -> str:
    """What is said about a manifest that cannot be used."""
    with pytest.raises(ManifestError) as error:
        registry.open_sink(manifest.load(path), path)
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None or SECRET not in repr(error.value.__cause__)
    return str(error.value).removeprefix(f"{path}: ")


def test_what_is_left_out_means_all(write: Write) -> None:
    """Every channel, every purpose, not a third party."""
    found = manifest.load(write())
    assert (found.channels, found.purposes, found.third_party) == (CHANNELS, PURPOSES, False)


@pytest.mark.parametrize(
    "over, said",
    [
        ({"app": None}, "app: is missing; Unique name, [a-z0-9-]."),
        ({"app": "C R M"}, "app: String should match pattern '^[a-z0-9][a-z0-9-]{0,62}$'"),
        ({"controllers": []}, "controllers: Tuple should have at least 1 item"),
        ({"controllers": None, "controlers": ["acme"]}, "controlers: is not a field; there are: a"),
        ({"channels": ["sms", "smoke"]}, "channels.1: Input should be 'email', 'sms', 'mms', 'pu"),
        ({"purposes": ["fun"]}, "purposes.0: Input should be 'marketing', 'profiling', 'third_p"),
        ({"third_party": "perhaps"}, "third_party: Input should be a valid boolean"),
        ({"sink": "pigeon"}, "sink: there is no sink 'pigeon'; there are: "),
        ({"config": ["url"]}, "config: is not a mapping; write a mapping of fields, as in docs/"),
        ({"config": {"secret": SECRET}}, "config.url: is missing; https:// (or http://) address"),
        (
            {"config": {**GOOD["config"], "retries": 3}},
            "config.retries: is not a field; there are: url, secret, read_back_url, timeout_s",
        ),
        (
            {"config": {**GOOD["config"], "timeout_s": "soon"}},
            "config.timeout_s: Input should be a valid number",
        ),
        (
            {"config": {**GOOD["config"], "secret": {"env": "NOT_SET_ANYWHERE"}}},
            "config.secret: the environment variable NOT_SET_ANYWHERE is not set; set it for",
        ),
        (
            {"config": {**GOOD["config"], "url": f"https://me:{SECRET}@crm.example/"}},
            "config.url: Value error, holds a user or a password; leave them out",
        ),
        ({"config": {**GOOD["config"], "secret": ""}}, "config.secret: Value error, is not base64"),
    ],
)
def test_a_mistake_is_named_by_file_field_and_remedy(
    write: Write, over: dict[str, Any], said: str
) -> None:
    """And never by the value, which may be a secret."""
    assert refusal(write(**over)).startswith(said)


def test_what_is_no_manifest_at_all_is_said(tmp_path: Path) -> None:
    """No file, no YAML (with the line), no mapping, no text."""
    path = tmp_path / "x.yaml"
    assert refusal(path) == "cannot be read (No such file or directory)"
    path.write_text(f"app: crm\nsecret: [{SECRET}", "utf-8")
    assert refusal(path).startswith("line 2: is not YAML")
    path.write_text("- a\n", "utf-8")
    assert refusal(path).startswith("is not a manifest")
    path.write_bytes(b"\xff\xfe\x00")
    assert refusal(path).startswith("is not UTF-8 text")


def test_secrets_come_from_the_environment_or_a_file(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any depth; a file beside the manifest, without its last line break; and show nowhere."""
    monkeypatch.setenv("CRM_SECRET", SECRET)
    path = write(config={"a": {"env": "CRM_SECRET"}, "b": [{"file": "b.txt"}], "env": 1, "c": 2})
    (path.parent / "b.txt").write_text(f"{SECRET}\n", "utf-8")
    found = manifest.load(path)
    assert found.config == {"a": SECRET, "b": [SECRET], "env": 1, "c": 2}
    assert SECRET not in repr(found)
    (path.parent / "b.txt").unlink()
    assert refusal(path).startswith(f"config.b.0: the file {path.parent / 'b.txt'} cannot be read")


def test_a_sink_shows_no_secret(write: Write) -> None:
    """Neither its configuration nor itself."""
    path = write()
    found = manifest.load(path)
    sink = registry.open_sink(found, path)
    config = Webhook.Config.model_validate(found.config)
    assert SECRET not in repr(sink) + repr(vars(sink)) + repr(config) + str(config)


def test_other_packages_add_sinks(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """By entry point; it is listed, and a manifest may name it. Two of one name are refused."""
    entries = [EntryPoint("pigeon", "connectors.sinks.webhook:Webhook", registry.GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda **_: entries)
    assert {"pigeon", "postgres", "webhook"} <= set(registry.names())
    path = write(sink="pigeon")
    assert isinstance(registry.open_sink(manifest.load(path), path), Webhook)
    entries.append(EntryPoint("webhook", "elsewhere:Sink", registry.GROUP))
    with pytest.raises(registry.UnknownSink, match="two packages offer a sink 'webhook'"):
        registry.names()
