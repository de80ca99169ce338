"""The supervisor of a detached stack: `python -m noli.cli.stack DATA`, started by `noli up`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from noli.cli.main import show
from noli.cli.problem import ProblemError
from noli.cli.stack import plan, records, reports
from noli.cli.stack.foreground import stop_on_signals
from noli.cli.stack.supervisor import Supervisor
from noli.cli.stack.unit import Unit


async def supervise(data: Path, writer: reports.Writer) -> None:
    """Run the plan in `data` until a signal."""

    def report(news: Unit | str) -> None:
        if isinstance(news, str):
            writer.say(news)
            sys.stderr.write(f"{news}\n")  # into DATA/logs/supervisor.log, for later
            return
        writer.unit(news)
        if supervisor.ready:
            writer.ready()

    supervisor = Supervisor(plan.read(data), report)
    await supervisor.run(stop_on_signals())


def main() -> None:
    """Hold the directory, run, and tell why it ended if it was not asked to."""
    data = Path(sys.argv[1])
    writer = reports.Writer(int(os.environ.pop(reports.VARIABLE)))
    try:
        with records.supervised(data):
            asyncio.run(supervise(data, writer))
    except ProblemError as problem:
        show(problem)  # into DATA/logs/supervisor.log
        writer.failed(problem)
        sys.exit(1)


if __name__ == "__main__":
    main()
