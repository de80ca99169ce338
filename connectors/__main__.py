"""`python -m connectors`: the process of one application, named by NOLI_APP_MANIFEST."""

from __future__ import annotations

import uvloop

from connectors.service import serve
from noli.runtime.process import run
from noli.runtime.turning import guarded

if __name__ == "__main__":
    run(lambda stop: uvloop.run(guarded(serve(stop))), "connectors")
