"""Settings of every process, from the environment (`NOLI_…`) or a file named by `NOLI_ENV_FILE`.

One class for all processes: a setting that a process does not use costs it nothing, and an operator
finds every name in one generated page (`docs/reference/settings.md`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.names import CAMPAIGNS, DECISIONS


class Settings(BaseSettings):
    """All settings. Units are in the names; a secret is never shown in a repr."""

    model_config = SettingsConfigDict(env_prefix="NOLI_", extra="ignore", frozen=True)

    kafka: Annotated[str, Field(description="Bootstrap servers, `host:port,…`.")] = "127.0.0.1:9092"
    kafka_config_file: Annotated[
        Path | None,
        Field(description="TOML table of librdkafka properties laid over ours: TLS, SASL."),
    ] = None
    registry: Annotated[
        str, Field(description="Schema registry, the Confluent API's base URL.")
    ] = "http://127.0.0.1:8081/apis/ccompat/v7"
    data: Annotated[
        Path, Field(description="Directory of this process's own state; 0700, rebuildable.")
    ] = Path(".noli/data")
    pepper: Annotated[
        SecretStr,
        Field(description="Secret of the contact token, 64 hexadecimal digits (256 bits)."),
    ] = SecretStr("")
    pepper_version: Annotated[
        int, Field(ge=1, le=255, description="First byte of every token; raised by a rotation.")
    ] = 1
    instance: Annotated[
        str,
        Field(description="Stable name of this process (`group.instance.id`), e.g. `suppress-0`."),
    ] = "noli-0"
    http_host: Annotated[str, Field(description="Address the process's own HTTP binds.")] = (
        "127.0.0.1"
    )
    http_port: Annotated[
        int, Field(ge=0, le=65535, description="Port of /healthz, /readyz, /metrics; 0 = any free.")
    ] = 0
    app_manifest: Annotated[
        Path | None, Field(description="Manifest of the application a connector process serves.")
    ] = None
    api_keys_file: Annotated[
        Path, Field(description="API keys of the HTTP services; made by `noli keys add`.")
    ] = Path(".noli/api-keys.json")
    intake_events_per_s: Annotated[
        int, Field(ge=1, description="Events each API key may post a second, on average.")
    ] = 50_000
    intake_recent: Annotated[
        int,
        Field(ge=0, description="Events whose answer is remembered for a retry; 300 bytes each."),
    ] = 50_000
    replica: Annotated[
        Path,
        Field(description="Directory of the local copy of noli.decisions; written by `replica`."),
    ] = Path(".noli/replica")
    lease_seconds: Annotated[
        float,
        Field(gt=0, description="Age of the copy beyond which every answer is STALE_REPLICA."),
    ] = 30.0
    lookup_questions_per_s: Annotated[
        int, Field(ge=1, description="Questions each API key may ask a second, on average.")
    ] = 50_000
    scrub_bytes_max: Annotated[
        int,
        Field(ge=1, description="Bytes of a list that `POST /v1/scrub` takes; on disk meanwhile."),
    ] = 1 << 30
    decisions_topic: Annotated[str, Field(description="Topic the copy is made of.")] = DECISIONS
    campaigns_topic: Annotated[
        str, Field(description="Topic of what the calls of each campaign came to.")
    ] = CAMPAIGNS
    campaigns_dsn: Annotated[
        SecretStr,
        Field(
            description="PostgreSQL with two years of campaign statistics, a libpq URL; or none."
        ),
    ] = SecretStr("")
    public_url: Annotated[
        str,
        Field(description="Where the intake is reached from outside; unsubscribe links begin so."),
    ] = "http://127.0.0.1:8080"
    intake_url: Annotated[
        str, Field(description="Where our own processes reach the intake: `canary`.")
    ] = "http://127.0.0.1:8080"
    lookup_url: Annotated[
        str, Field(description="Where our own processes reach the lookup: `canary`.")
    ] = "http://127.0.0.1:8081"
    board_url: Annotated[
        str,
        Field(
            description="Where our own processes reach the board: `lookup` asks it about the past. "
            "Empty: such questions are refused."
        ),
    ] = ""
    canary_seconds: Annotated[
        float,
        Field(ge=0, description="Between two canaries (docs/howto/watch-canaries.md); 0: none."),
    ] = 1.0
    canary_key_file: Annotated[
        Path, Field(description="API key of `canary`, the key itself; scopes as `noli up` mints.")
    ] = Path(".noli/canary-key")
    board_open: Annotated[
        bool,
        Field(
            description="The board is shown without an API key. For development: refused unless "
            "`NOLI_HTTP_HOST` is a loopback address. A contact's timeline needs a key all the same."
        ),
    ] = False
    runbooks_url: Annotated[
        str,
        Field(description="Where docs/runbooks is published; links of the board begin so."),
    ] = ""
    log_level: Annotated[str, Field(description="debug, info, warning or error.")] = "info"


def load() -> Settings:
    """Settings from the environment and, where `NOLI_ENV_FILE` names one, from that file.

    Raises `pydantic.ValidationError` naming the field.
    """
    return Settings(_env_file=os.environ.get("NOLI_ENV_FILE"))
