"""docs/reference/sinks.md, from each sink's `Config`, traits and example manifest."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from connectors import registry
from connectors.protocol import Traits
from noli.cli.pages.markdown import code, head, table
from noli.cli.pages.proofs import ROOT
from noli.cli.pages.settings import default, kind, meaning

_INTRODUCTION: Final = (
    "The kinds of application that `noli` can tell, and every field of a manifest's `config`\n"
    "block. How to connect one: [connect your application](../howto/connect-your-application.md);\n"
    "the manifest's other fields are explained there. A secret is written `{env: NAME}` or\n"
    "`{file: path}`."
)
EXAMPLES: Final = Path("examples") / "apps"
#: What a secret of an example could be, where any text will not do.
STAND_INS: Final = {
    "CRM_WEBHOOK_SECRET": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0",
    "DIALER_DSN": "postgresql://user@host/database",
    "DIALER_MYSQL_URL": "mysql://user@host/database",
    "DIALER_REDIS_URL": "redis://user@host:6379/0",
    "VICIDIAL_URL": "mysql://user@host/asterisk",
}
_ANY: Final = "any-text-will-do"
_READ_BACK: Final = {
    "exact": "every verdict",
    "size": "how many there are",
    "none": "nothing: drift cannot be seen",
}
_VERSIONS: Final = {
    "target": "in the application",
    "ledger": "in a ledger of ours, one file an app below `ledgers` of the data directory",
}


def page(root: Path = ROOT) -> str:
    """The page. Raises `KeyError` for a sink without an example."""
    found = examples(root / EXAMPLES)
    names = sorted(registry.BUILT_IN)
    rows = [(f"[{code(name)}](#{name})", about(name)) for name in names]
    parts = [head("Sinks", _INTRODUCTION), table(["sink", "what it does"], rows)]
    return "\n".join([*parts, *(section(name, *found[name]) for name in names)])


def examples(folder: Path) -> dict[str, tuple[Path, Mapping[str, Any]]]:
    """By sink, the first example manifest of it."""
    found: dict[str, tuple[Path, Mapping[str, Any]]] = {}
    for path in sorted(folder.glob("*.example")):
        manifest = yaml.safe_load(path.read_text("utf-8"))
        found.setdefault(manifest["sink"], (path, manifest))
    return found


def about(name: str) -> str:
    """The sink in one sentence."""
    return (registry.sink_class(name).__doc__ or "").splitlines()[0]


def section(name: str, path: Path, manifest: Mapping[str, Any]) -> str:
    """One sink: what can be said of its target, its example, its fields."""
    sink_class = registry.sink_class(name)
    config = sink_class.Config.model_validate(_stood_in(manifest["config"]))
    fields = [
        (code(field), kind_of(info.annotation), default(info), meaning(info))
        for field, info in sink_class.Config.model_fields.items()
    ]
    return "\n".join(
        [
            f"## {name}\n\n{about(name)}\n",
            table(["", ""], facts(sink_class(config, manifest["app"]).traits)),
            f"```yaml\n{path.read_text('utf-8')}```\n",
            table(["config", "type", "default", "meaning"], fields),
        ]
    )


def facts(traits: Traits) -> list[tuple[str, str]]:
    """What a target can do, in an operator's words."""
    return [
        ("a confirmed change counts within", traits.alignment),
        ("can be read back", _READ_BACK[traits.read_back]),
        ("at once", f"{traits.batch} contacts, {traits.in_flight} in flight"),
        ("versions are kept", _VERSIONS[traits.versions]),
        ("controllers", "any" if traits.many_controllers else "one; an app for each"),
        (
            "an erased contact",
            "is refused" if traits.needs_contact and traits.versions == "target" else "is denied",
        ),
    ]


def kind_of(annotation: Any) -> str:  # noqa: ANN401 - an annotation is any type
    """The type in an operator's words."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " or ".join(code(each) for each in inner)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return "mapping"
    if origin is tuple:
        return "list"
    return kind(annotation)


def _stood_in(value: Any) -> Any:  # noqa: ANN401 - YAML
    """The same, with a stand-in for each secret."""
    if not isinstance(value, dict):
        return value
    if value.keys() == {"env"}:
        return STAND_INS.get(value["env"], _ANY)
    return {name: _stood_in(each) for name, each in value.items()}
