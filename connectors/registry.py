"""Which sinks there are: ours, and those that other packages add by entry point `noli.sinks`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, Protocol, cast

from pydantic import ValidationError

from connectors.manifest import Manifest, ManifestError, explained
from connectors.protocol import Sink, SinkConfig

GROUP: Final = "noli.sinks"
BUILT_IN: Final[Mapping[str, str]] = {
    "file": "connectors.sinks.file:File",
    "kamailio": "connectors.sinks.kamailio:Kamailio",
    "kannel": "connectors.sinks.kannel:Kannel",
    "mailman": "connectors.sinks.mailman:Mailman",
    "mysql": "connectors.sinks.mysql:Mysql",
    "postfix": "connectors.sinks.postfix:Postfix",
    "postgres": "connectors.sinks.postgres:Postgres",
    "redis": "connectors.sinks.redis:Redis",
    "ses": "connectors.sinks.ses:Ses",
    "tryton": "connectors.sinks.tryton:Tryton",
    "vicidial": "connectors.sinks.vicidial:Vicidial",
    "webhook": "connectors.sinks.webhook:Webhook",
}


class SinkClass(Protocol):
    """A class that makes sinks, as the runner sees it."""

    __doc__: str | None
    Config: type[SinkConfig]

    def __call__(self, config: SinkConfig, app: str) -> Sink:
        """A sink for the application of that name."""


class UnknownSink(Exception):
    """No sink of that name, or two that claim it."""


def names() -> list[str]:
    """Every sink that can be named in a manifest; the conformance suite runs on each."""
    return sorted({*BUILT_IN, *_added()})


def sink_class(name: str) -> SinkClass:
    """The sink of that name, imported. Raises `UnknownSink` with the names there are."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return cast("SinkClass", getattr(import_module(module), attribute))
    found = _added().get(name)
    if found is None:
        raise UnknownSink(f"there is no sink {name!r}; there are: {', '.join(names())}")
    return cast("SinkClass", found.load())


def open_sink(manifest: Manifest, path: Path) -> Sink:
    """The application's sink, configured. Raises `ManifestError` naming the field in `path`."""
    kind, config = configured(manifest, path)
    sink = kind(config, manifest.app)
    if len(manifest.controllers) > 1 and not sink.traits.many_controllers:
        wrong = f"{manifest.sink} cannot tell controllers apart"
        raise ManifestError(path, "controllers", wrong, "write a manifest, and an app, for each")
    return sink


def configured(manifest: Manifest, path: Path) -> tuple[SinkClass, SinkConfig]:
    """The class and the valid `Config` a manifest names. Raises `ManifestError`, as `open_sink`."""
    try:
        kind = sink_class(manifest.sink)
    except UnknownSink as error:
        raise ManifestError(path, "sink", str(error)) from error
    try:
        return kind, kind.Config.model_validate(manifest.config)
    except ValidationError as error:
        raise explained(path, error, known=kind.Config, prefix="config.") from None


def _added() -> dict[str, EntryPoint]:
    added: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in BUILT_IN or entry.name in added:
            raise UnknownSink(
                f"two packages offer a sink {entry.name!r}; uninstall one "
                f"({entry.dist.name if entry.dist else entry.value})"
            )
        added[entry.name] = entry
    return added
