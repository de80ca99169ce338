"""`python -m deploy.observability.rules [BASE_URL]`: write deploy/observability/alerts.

With a base, `runbook_url` begins with it: where this repository's docs/runbooks are served.
"""

from __future__ import annotations

import sys

from deploy.observability.rules.files import FOLDER, PAGES, files
from deploy.observability.rules.model import Clock

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in files(Clock(), *(sys.argv[1:] or [PAGES])).items():
        (FOLDER / name).write_text(text, "utf-8")
