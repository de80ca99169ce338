"""From the options of `noli up` to a plan: everything that can fail does so before a start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noli.cli.problem import ProblemError
from noli.cli.stack import apps, credentials, jars, plan, workers
from noli.cli.stack.files import private_dir
from noli.cli.stack.java import find_java
from noli.runtime import settings

DEFAULT_APPS: Final = Path("examples/apps")
MOST_SUPPRESSORS: Final = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for. `apps` None: the examples where there are any, else DATA/apps."""

    data: Path
    apps: Path | None = None
    suppressors: int = 1
    #: Whether canaries are wanted, where the settings do not say that there are none.
    canary: bool = True


def prepared(wish: Wish, say: Callable[[str], None]) -> plan.Plan:
    """A written plan. Raises `ProblemError` for anything that would keep the stack from running."""
    if not 1 <= wish.suppressors <= MOST_SUPPRESSORS:
        raise ProblemError(
            f"--workers {wish.suppressors}: not between 1 and {MOST_SUPPRESSORS}",
            f"there are {MOST_SUPPRESSORS} partitions, one worker owns at least one of them",
        )
    data = private_dir(wish.data)
    folder = _folder(wish, data)
    found = apps.read(folder)
    java, parts = find_java(), jars.fetch(say)
    credentials.pepper(data)
    credentials.api_key(data)
    credentials.canary_key(data)
    config = settings.load()
    rows = tuple(
        workers.table(
            found,
            wish.suppressors,
            canary=wish.canary and config.canary_seconds > 0,
            statistics=bool(config.campaigns_dsn.get_secret_value()),
        )
    )
    made = plan.Plan(data, rows, plan.choose_ports(data, rows), java, parts, folder)
    made.write()
    _keep_last_logs(data / "logs")
    return made


def _folder(wish: Wish, data: Path) -> Path:
    """Where manifests are: as wished, the examples, or a folder of the stack's own."""
    if wish.apps is not None:
        return wish.apps.absolute()
    return DEFAULT_APPS.absolute() if DEFAULT_APPS.is_dir() else private_dir(data / "apps")


def _keep_last_logs(folder: Path) -> None:
    """A start begins new logs; those of the start before stay as `NAME.log.1`."""
    for log in folder.glob("*.log"):
        log.replace(log.with_suffix(".log.1"))
