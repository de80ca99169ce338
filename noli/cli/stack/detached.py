"""`noli up --detach`: a supervisor in the background, and the wait until all is green."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Final

from rich.console import Console

from noli.cli.problem import ProblemError
from noli.cli.stack import reports, screen
from noli.cli.stack.files import PRIVATE_FILE, last_lines
from noli.cli.stack.plan import Plan
from noli.cli.stack.reports import UnitReport
from noli.cli.stack.unit import State
from noli.cli.stack.workers import import_path

#: A worker that ended so often before it was ever ready will not come.
_HOPELESS: Final = 3


def run(plan: Plan, patience_seconds: float, console: Console) -> None:
    """Start the supervisor and return once every process is ready.

    Raises `ProblemError` when it could not start, or naming the worker that is not ready; the stack
    is left running then.
    """
    reader, writer = os.pipe()
    try:
        supervisor = _spawn(plan, writer)
    finally:
        os.close(writer)
    try:
        _follow(plan, reader, patience_seconds, screen.Lines(console).tell)
    except KeyboardInterrupt as interrupt:
        raise ProblemError(
            "interrupted; the stack goes on starting in the background",
            f"`noli down --data {plan.data}` stops it",
        ) from interrupt
    finally:
        os.close(reader)
    console.print(f"ready; supervisor pid {supervisor}", highlight=False)


def _spawn(plan: Plan, writer: int) -> int:
    log = plan.log("supervisor")
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    with os.fdopen(descriptor, "ab") as output:
        # A session of its own: closing the terminal, or Ctrl-C in it, does not reach the stack.
        supervisor = subprocess.Popen(
            [sys.executable, "-P", "-m", "noli.cli.stack", str(plan.data)],
            env={**os.environ, **import_path(), reports.VARIABLE: str(writer)},
            pass_fds=(writer,),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    # Whoever lives on after this call, a test or the demo, must not keep a zombie.
    threading.Thread(target=supervisor.wait, name="reap-supervisor", daemon=True).start()
    return supervisor.pid


def _follow(
    plan: Plan, reader: int, patience_seconds: float, tell: Callable[[UnitReport | str], None]
) -> None:
    latest: dict[str, UnitReport] = {}
    for news in reports.read(reader, patience_seconds):
        if news is None:
            return
        tell(news)
        if isinstance(news, UnitReport):
            latest[news.name] = news
            if news.restarts >= _HOPELESS and not news.was_ready:
                break
    raise _not_ready(plan, latest)


def _not_ready(plan: Plan, latest: dict[str, UnitReport]) -> ProblemError:
    missing = [one for one in latest.values() if one.state is not State.READY]
    if not missing:
        return ProblemError(
            "the supervisor ended unexpectedly",
            f"the whole log is {plan.log('supervisor')}",
            last_lines(plan.log("supervisor")),
        )
    worst = max(missing, key=lambda one: one.restarts)
    others = [one.name for one in missing if one is not worst]
    also = f" (nor are {', '.join(others)})" if others else ""
    return ProblemError(
        f"{worst.name} is not ready: {worst.detail or worst.state}{also}",
        "the stack was left running: look with `noli status`, stop it with `noli down`"
        + (f" (both with --data {plan.data})" if plan.data.name != ".noli" else ""),
        f"last lines of {plan.log(worst.name)}\n{last_lines(plan.log(worst.name))}",
    )
