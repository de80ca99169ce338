"""`noli keys` and `noli unsubscribe-link`: what they print, keep and refuse."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from noli.cli import keys, link
from noli.cli.problem import ProblemError
from noli.cli.sending import where
from noli.intake.links import Links
from noli.runtime import apikeys
from tests.support.intake import PEPPER

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting and no stack of this machine is seen."""
    for name in [name for name in os.environ if name.startswith("NOLI_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def minted(*arguments: str) -> list[str]:
    """The lines of `noli unsubscribe-link`."""
    done = RUNNER.invoke(link.app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_a_key_is_printed_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    """`add` prints the key; the file has its name, hash and scopes; `list` shows no key."""
    path = tmp_path / "k.json"
    made = RUNNER.invoke(keys.app, ["add", "crm", "--file", str(path)])
    key = made.output.strip()
    assert key.startswith("noli_")
    assert json.loads(path.read_text()) == [
        {"name": "crm", "hash": apikeys.digest(key), "scopes": ["events:write"]}
    ]
    listed = RUNNER.invoke(keys.app, ["list", "--file", str(path)])
    assert "crm" in listed.output
    assert key not in listed.output


def test_a_key_may_have_several_scopes_and_no_unknown_one(tmp_path: Path) -> None:
    """`--scope` repeats; an unknown one is refused and nothing written."""
    path = tmp_path / "k.json"
    scopes = ["--scope", "decisions:read", "--scope", "evidence:read"]
    RUNNER.invoke(keys.app, ["add", "a", "--file", str(path), *scopes])
    assert apikeys.read(path)[0].scopes == ("decisions:read", "evidence:read")
    with pytest.raises(ProblemError):
        RUNNER.invoke(
            keys.app, ["add", "b", "--file", str(path), "--scope", "x"], catch_exceptions=False
        )
    assert len(apikeys.read(path)) == 1


def test_a_name_is_given_once_and_revoked_by_name(tmp_path: Path) -> None:
    """The same name again is refused; `revoke` removes that key and no other."""
    path = tmp_path / "k.json"
    for name in ("a", "b"):
        RUNNER.invoke(keys.app, ["add", name, "--file", str(path)])
    with pytest.raises(ProblemError):
        RUNNER.invoke(keys.app, ["add", "a", "--file", str(path)], catch_exceptions=False)
    RUNNER.invoke(keys.app, ["revoke", "a", "--file", str(path)])
    assert [key.name for key in apikeys.read(path)] == ["b"]
    with pytest.raises(ProblemError):
        RUNNER.invoke(keys.app, ["revoke", "a", "--file", str(path)], catch_exceptions=False)


def test_a_link_and_its_two_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """URL, List-Unsubscribe, List-Unsubscribe-Post; the sealed contact is normalised."""
    monkeypatch.setenv("NOLI_PEPPER", PEPPER.secret.hex())
    url, unsubscribe, post = minted(
        "--controller", "acme", "--email", "Mario@Example.IT", "--brand", "sport",
        "--base-url", "https://noli.acme.it/",
    )  # fmt: skip
    assert url.startswith("https://noli.acme.it/u/")
    assert unsubscribe == f"List-Unsubscribe: <{url}>"
    assert post == "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    opened = Links([PEPPER]).open(url.rsplit("/", 1)[1])
    assert opened is not None
    assert (opened.controller, opened.kind, opened.value) == ("acme", "email", "mario@example.it")
    assert opened.brands == ("sport",)


def test_a_link_for_a_number_uses_the_public_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --base-url the setting says where people reach the intake."""
    monkeypatch.setenv("NOLI_PEPPER", PEPPER.secret.hex())
    monkeypatch.setenv("NOLI_PUBLIC_URL", "https://stop.acme.it")
    url = minted("--controller", "acme", "--phone", "333 1234567")[0]
    assert url.startswith("https://stop.acme.it/u/")


def test_a_link_for_the_local_stack_uses_its_pepper(tmp_path: Path) -> None:
    """The pepper that `noli up` minted is taken, and never a new one made."""
    (tmp_path / "stack").mkdir()
    with pytest.raises(ProblemError, match="NOLI_PEPPER"):
        minted("--controller", "a", "--email", "a@b.it", "--data", str(tmp_path / "stack"))
    assert list((tmp_path / "stack").iterdir()) == []
    (tmp_path / "stack" / "pepper").write_text(PEPPER.secret.hex())
    url = minted("--controller", "a", "--email", "a@b.it", "--data", str(tmp_path / "stack"))[0]
    assert Links([PEPPER]).open(url.rsplit("/", 1)[1]) is not None


@pytest.mark.parametrize(
    "arguments",
    [
        ["--email", "nobody"],
        ["--phone", "1"],
        [],
        ["--email", "a@b.it", "--phone", "3331234567"],
        ["--email", "a@b.it", "--channel", "telepathy"],
        ["--email", "a@b.it", "--purpose", "fun"],
    ],
)
def test_a_link_that_would_object_to_nothing_is_not_minted(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """Unreadable contacts, none or two, unknown symbols: refused without repeating the contact."""
    monkeypatch.setenv("NOLI_PEPPER", PEPPER.secret.hex())
    with pytest.raises(ProblemError) as caught:
        minted("--controller", "acme", *arguments)
    assert "nobody" not in caught.value.fact
    assert caught.value.remedy


def test_where_to_send_is_named_or_local(tmp_path: Path) -> None:
    """Options win; without a stack both are needed, and the problem says so."""
    assert where.intake(tmp_path, "http://i/", "k") == ("http://i", "k")
    for url, key in ((None, None), ("http://i", None)):
        with pytest.raises(ProblemError):
            where.intake(tmp_path, url, key)
