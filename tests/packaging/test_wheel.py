"""What ships: four import names and no fifth, each ours alone, with the contracts in it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Final

from tests.packaging.conftest import ROOT, Environment

PACKAGES: Final = ["connectors", "noli", "schemas", "streams"]
OWNERS: Final = """
import importlib.metadata, json
owners = importlib.metadata.packages_distributions()
print(json.dumps({name: sorted(set(owners.get(name, []))) for name in %r}))
"""
CONSENT: Final = {
    "type": "noli.consent.given.v1", "id": "1", "source": "/t", "time": "2026-02-01T10:00:00Z",
    "data": {
        "controller": "acme", "contact": {"kind": "email", "value": "Anna@Example.it"},
        "purpose": "marketing", "channels": ["email"], "consent_id": "c1",
        "evidence": {"ref": "form-1", "box_purposes": ["marketing"]},
    },
}  # fmt: skip
OBJECTION: Final = {
    "type": "noli.objection.raised.v1", "id": "2", "source": "/u", "time": "2026-02-05T10:00:00Z",
    "data": {"controller": "acme", "contact": {"kind": "email", "value": "anna@example.IT"}},
}  # fmt: skip


def ask(at: str) -> dict[str, object]:
    """The question, at a time, whether Anna may get marketing by e-mail."""
    contact = {"kind": "email", "value": "anna@example.it"}
    who = {"controller": "acme", "contact": contact}
    return {**who, "channel": "email", "purpose": "marketing", "at": at}


def test_the_wheel_holds_exactly_four_import_names(wheel: Path) -> None:
    """Nothing of tests, docs, deploy or examples ships at the top level."""
    names = zipfile.ZipFile(wheel).namelist()
    assert sorted({name.split("/")[0] for name in names if ".dist-info/" not in name}) == PACKAGES


def test_every_contract_and_the_catalogue_ship(wheel: Path) -> None:
    """Each .avsc, topics.toml and, once there is one, released.lock are in the wheel."""
    contracts = [*ROOT.glob("schemas/**/*.avsc"), *ROOT.glob("schemas/*.toml")]
    wanted = {str(path.relative_to(ROOT)) for path in [*contracts, *ROOT.glob("schemas/*.lock")]}
    assert wanted
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())


def test_the_local_stack_ships(wheel: Path) -> None:
    """`noli up` finds in the wheel what its Kafka and registry are fetched and run by."""
    folder = ROOT / "noli" / "cli" / "stack" / "local"
    wanted = {str(path.relative_to(ROOT)) for path in folder.iterdir()}
    assert wanted
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())


def test_each_name_has_one_owner(installed: Environment) -> None:
    """No other installed distribution claims one of our import names."""
    done = installed.python(OWNERS % PACKAGES)
    assert json.loads(done.stdout) == {name: ["noli"] for name in PACKAGES}, done.stderr


def test_the_command_tells_its_version(installed: Environment) -> None:
    """`noli --version` works from the wheel alone and tells the wheel's version."""
    done = installed.run("noli", "--version")
    assert (done.returncode, done.stdout.split()[-1:]) == (0, ["0.1.0"]), done.stderr


def test_the_law_answers_from_the_wheel(installed: Environment) -> None:
    """`noli decide` allows on the consent, and denies once the objection is there."""
    lines = [
        {"event": CONSENT},
        {"event": OBJECTION},
        {"ask": ask("2026-02-04T10:00:00Z")},
        {"ask": ask("2026-02-06T10:00:00Z")},
    ]
    scenario = installed.cwd / "scenario.ndjson"
    scenario.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = installed.run("noli", "decide", str(scenario))
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["allowed"] for answer in answers] == [True, False]
    assert "OBJECTED" in answers[1]["reasons"]
