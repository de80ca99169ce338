"""What a dialer in Python imports: the gate, its questions and its answers.

    from noli.replica.client import Gate

    with Gate.open("/var/lib/noli/replica") as gate:
        if gate.check("acme", ("phone", "+39 333 1234567"), "operator_call", "marketing").allowed:
            dial()

The pepper is that of the environment (NOLI_PEPPER, NOLI_PEPPER_VERSION) unless `pepper=` names one.
Calls are synchronous and take some 10 µs; a check never raises, and opens on a recorded verdict
only. `check_many` answers a list of `Question`s from one look at the copy.
"""

from __future__ import annotations

from noli.domain.question import Question
from noli.domain.token import Pepper
from noli.replica.gate import Answer, Gate, Status

__all__ = ["Answer", "Gate", "Pepper", "Question", "Status"]
