"""kill -9 of the one broker: what was acknowledged is there afterwards, and answers grow fresh."""

from __future__ import annotations

import datetime as dt
import signal
from pathlib import Path

import pytest

from noli.cli.stack import records
from tests.support import blackbox
from tests.support.blackbox import Contact, consent, objection, query, until

CHANNEL = "sms"
#: A broker that recovers its logs, and clients that back off, on a busy machine, in seconds.
RECOVERY_S = 90.0
KEEPER: Contact = ("phone", "+393090000001")
LEAVER: Contact = ("phone", "+393090000002")


@pytest.mark.rule("OBJECT")
@pytest.mark.timeout(400)
def test_after_a_broker_restart_objections_propagate_and_answers_are_fresh(tmp_path: Path) -> None:
    """Workers that outlive the broker go on: beacons too, or every lease would run out for ever."""
    (tmp_path / "apps").mkdir()
    with blackbox.up(tmp_path / "data", tmp_path / "apps") as stack, stack.client() as client:
        client.send(consent(KEEPER, CHANNEL), consent(LEAVER, CHANNEL))
        until(lambda: client.allowed([KEEPER, LEAVER], CHANNEL) == [True, True], "both allowed")
        killed_at = dt.datetime.now(dt.UTC)
        records.living(tmp_path / "data")["kafka"].send_signal(signal.SIGKILL)
        client.send(objection(LEAVER), patience_s=RECOVERY_S)
        until(
            lambda: client.allowed([KEEPER, LEAVER], CHANNEL) == [True, False],
            "the objection obeyed",
            RECOVERY_S,
        )

        def fresh() -> bool:
            as_of = dt.datetime.fromisoformat(client.ask(query(KEEPER, CHANNEL))[0]["as_of"])
            return as_of > killed_at + dt.timedelta(seconds=1)

        until(fresh, "a beacon from after the restart", RECOVERY_S)
