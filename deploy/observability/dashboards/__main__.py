"""`python -m deploy.observability.dashboards`: write the JSON."""

from __future__ import annotations

from deploy.observability.dashboards.files import FOLDER, NAME, text

if __name__ == "__main__":
    (FOLDER / NAME).write_text(text(), "utf-8")
