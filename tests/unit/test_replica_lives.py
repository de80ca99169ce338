"""How many writers may die over a copy before it is built anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from noli.replica import lives
from noli.replica.head import Refused


def test_the_fourth_life_over_a_copy_is_refused(tmp_path: Path) -> None:
    """Three that ended without a word are forgiven; then it is refused, once."""
    for _ in range(3):
        lives.begin(tmp_path, "g-1")
    with pytest.raises(Refused, match="3 writers"):
        lives.begin(tmp_path, "g-1")
    lives.begin(tmp_path, "g-1")
    assert [*tmp_path.iterdir()] == [tmp_path / "lives"]


def test_an_orderly_end_and_another_copy_begin_anew(tmp_path: Path) -> None:
    """A life that held forgives those before it; a rebuilt copy has had none; rubbish is none."""
    for _ in range(3):
        lives.begin(tmp_path, "g-1")
    lives.begin(tmp_path, "g-2")
    lives.begin(tmp_path, "g-2")
    lives.end(tmp_path)
    for _ in range(3):
        lives.begin(tmp_path, "g-2")
    (tmp_path / "lives").write_text("rubbish")
    lives.begin(tmp_path, "g-2")
    assert (tmp_path / "lives").read_text() == "g-2 1\n"
