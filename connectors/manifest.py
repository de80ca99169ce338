"""The manifest of an application: one YAML file that says what it is told, and by which sink.

Every mistake is named with the file, the field and what to write there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from noli.domain.channel import CHANNELS, PURPOSES, Channel, Purpose

#: A secret longer than this is some other file, in bytes.
_SECRET_MAX: Final = 64 * 1024
_MAPPING: Final = "write a mapping of fields, as in docs/howto/connect-your-application.md"


class ManifestError(Exception):
    """A manifest that cannot be used: file, field, what is wrong, what to write instead."""

    def __init__(self, path: Path, field: str, wrong: str, remedy: str = "") -> None:
        place = f"{path}: {field}" if field else str(path)
        super().__init__(f"{place}: {wrong}" + (f"; {remedy}" if remedy else ""))
        self.field = field


class Reconcile(BaseModel):
    """How often what an application holds is read back. Only where its sink can: see its traits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every_hours: Annotated[
        float, Field(ge=0, description="Between looks at all its contacts; 0: only when asked.")
    ] = 24.0
    sample: Annotated[
        float, Field(gt=0, le=1, description="Share of the contacts such a look takes in.")
    ] = 1.0
    recent_seconds: Annotated[
        float, Field(ge=0, description="Between looks at what was applied last; 0: never.")
    ] = 15.0


class Manifest(BaseModel):
    """One application. `config` is the sink's own block, its secrets already read."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    app: Annotated[
        str,
        Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Unique name, [a-z0-9-]."),
    ]
    sink: Annotated[str, Field(description="Kind of application: `noli app sinks` lists them.")]
    controllers: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        Field(min_length=1, description="Controllers it works for; it is told of no other's."),
    ]
    channels: Annotated[
        tuple[Channel, ...], Field(min_length=1, description="Channels it uses; default all.")
    ] = CHANNELS
    purposes: Annotated[
        tuple[Purpose, ...], Field(min_length=1, description="Purposes it serves; default all.")
    ] = PURPOSES
    third_party: Annotated[
        bool,
        Field(description="Belongs to somebody else than the controller: grants need disclosure."),
    ] = False
    canary: Annotated[
        bool | None,
        Field(description="Whether canaries are sent to it; default: if aligned within seconds."),
    ] = None
    most_per_second: Annotated[
        float | None,
        Field(gt=0, description="Contacts a second it takes at most; default: all it can."),
    ] = None
    reconcile: Annotated[
        Reconcile, Field(description="How often what it holds is read back and repaired.")
    ] = Reconcile()
    config: Annotated[
        dict[str, Any], Field(repr=False, description="Fields of the sink: `noli app describe`.")
    ] = {}


def load(path: Path) -> Manifest:
    """Read a manifest and the secrets it names. Raises `ManifestError`."""
    found = _read(path)
    config = found.get("config") or {}
    if not isinstance(config, Mapping):
        raise ManifestError(path, "config", "is not a mapping", _MAPPING)
    found["config"] = _with_secrets(dict(config), "config", path)
    try:
        return Manifest.model_validate(found)
    except ValidationError as error:
        raise explained(path, error, known=Manifest) from None  # pydantic's holds the values


def explained(
    path: Path, error: ValidationError, known: type[BaseModel], prefix: str = ""
) -> ManifestError:
    """The first mistake of a validation, in words that hold no value."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    # A misspelt field is also a missing one: the spelling is what helps.
    first = min(found, key=lambda each: each["type"] != "extra_forbidden")
    field = prefix + ".".join(str(part) for part in first["loc"])
    fields = ", ".join(known.model_fields)
    match first["type"]:
        case "extra_forbidden":
            return ManifestError(path, field, "is not a field", f"there are: {fields}")
        case "missing":
            leaf = known.model_fields.get(str(first["loc"][-1]))
            return ManifestError(path, field, "is missing", (leaf and leaf.description) or "")
        case _:
            return ManifestError(path, field or prefix.rstrip("."), first["msg"])


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ManifestError(path, "", f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ManifestError(path, "", "is not UTF-8 text", "save it as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark else ""
        # Not chained: the parser's message quotes the text around, which may hold a secret.
        raise ManifestError(path, line, "is not YAML", _MAPPING) from None
    if not isinstance(found, dict):
        raise ManifestError(path, "", "is not a manifest", _MAPPING)
    return {str(key): value for key, value in found.items()}


def _with_secrets(value: Any, field: str, path: Path) -> Any:  # noqa: ANN401 - any YAML value
    """`{env: NAME}` and `{file: PATH}` replaced by what they name, at any depth."""
    if isinstance(value, list):
        return [_with_secrets(item, f"{field}.{i}", path) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"env"}:
        return _from_env(str(value["env"]), field, path)
    if value.keys() == {"file"}:
        return _from_file(path.parent / str(value["file"]), field, path)
    return {str(k): _with_secrets(v, f"{field}.{k}", path) for k, v in value.items()}


def _from_env(name: str, field: str, path: Path) -> str:
    found = os.environ.get(name)
    if not found:
        wrong = f"the environment variable {name} is not set"
        raise ManifestError(path, field, wrong, "set it for the connector's process")
    return found


def _from_file(file: Path, field: str, path: Path) -> str:
    try:
        with file.open("rb") as source:
            found = source.read(_SECRET_MAX + 1)
    except OSError as error:
        wrong = f"the file {file} cannot be read ({error.strerror})"
        raise ManifestError(path, field, wrong, "a relative path starts at the manifest") from error
    if len(found) > _SECRET_MAX:
        raise ManifestError(path, field, f"the file {file} is larger than {_SECRET_MAX} bytes")
    try:
        return found.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ManifestError(path, field, f"the file {file} is not UTF-8 text") from None
