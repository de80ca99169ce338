"""docs/reference/settings.md, from `noli.runtime.settings.Settings`."""

from __future__ import annotations

import types
import typing
from typing import Any, Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from noli.cli.pages.markdown import code, head, table
from noli.runtime.settings import Settings

_INTRODUCTION: Final = (
    "Every process reads the same settings: from the environment, or from the file that\n"
    "`NOLI_ENV_FILE` names, where the environment wins. A setting a process does not use\n"
    "costs nothing. A wrong one ends the process with the field's name."
)


def page() -> str:
    """The page."""
    prefix = Settings.model_config["env_prefix"]
    rows = [
        (code(f"{prefix}{name}".upper()), kind(field.annotation), default(field), meaning(field))
        for name, field in Settings.model_fields.items()
    ]
    return (
        head("Settings", _INTRODUCTION) + "\n" + table(["name", "type", "default", "meaning"], rows)
    )


def kind(annotation: Any) -> str:  # noqa: ANN401 - an annotation is any type
    """The type in an operator's words."""
    options = [each for each in typing.get_args(annotation) if each is not types.NoneType]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return " or ".join(kind(each) for each in options)
    words = {SecretStr: "secret", str: "text", int: "integer", float: "number", bool: "true/false"}
    return words.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())


def default(field: FieldInfo) -> str:
    """The default, as one would write it; a secret has none."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "none" if value is None or isinstance(value, SecretStr) else code(str(value))


def meaning(field: FieldInfo) -> str:
    """The field's description, with its bounds."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {getattr(each, name)}"
        for each in field.metadata
        for name, sign in signs.items()
        if getattr(each, name, None) is not None
    ]
    return (field.description or "") + (f" ({', '.join(bounds)})" if bounds else "")
