"""`python -m noli.canary`: the prober of a deployment."""

from __future__ import annotations

import uvloop

from noli.canary.service import serve
from noli.runtime.process import run
from noli.runtime.turning import guarded

if __name__ == "__main__":
    run(lambda stop: uvloop.run(guarded(serve(stop))), "noli.canary")
