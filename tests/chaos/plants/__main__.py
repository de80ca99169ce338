"""`python -m tests.chaos.plants PLANT MODULE`: the process `MODULE`, with a bug planted in it."""

from __future__ import annotations

import importlib
import runpy
import sys


def main() -> None:
    """Plant, then run."""
    _, plant, module = sys.argv
    importlib.import_module(f"tests.chaos.plants.{plant}").plant()
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
