"""`python -m streams.watch`: one watcher."""

from __future__ import annotations

import uvloop

from noli.runtime.process import run
from streams.watch.service import serve

if __name__ == "__main__":
    run(lambda stop: uvloop.run(serve(stop)), "noli.watch")
