"""`noli up` in the foreground: the supervisor in this process, one live screen, Ctrl-C stops."""

from __future__ import annotations

import asyncio
import signal
import time

from rich.console import Console

from noli.cli.stack import records, screen
from noli.cli.stack.plan import Plan
from noli.cli.stack.supervisor import Supervisor
from noli.cli.stack.unit import Unit


def run(plan: Plan) -> None:
    """Run until Ctrl-C. Raises `ProblemError` when the stack cannot start."""
    with records.supervised(plan.data):
        asyncio.run(_run(plan))


async def _run(plan: Plan) -> None:
    console = Console()
    lines = screen.Lines(console)

    def report(news: Unit | str) -> None:
        if not console.is_terminal:  # a log wants lines, not frames
            lines.tell(news)

    supervisor = Supervisor(plan, report)
    stop = stop_on_signals()
    showing = asyncio.create_task(screen.show(supervisor, console))
    try:
        await supervisor.run(stop)
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
    console.print(
        f"stopped after {screen.age(time.monotonic() - supervisor.started)}; "
        f"everything is kept in {plan.data}"
    )


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT, SIGTERM or a closed terminal sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return stop
