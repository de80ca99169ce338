"""An lmdb table of Postfix: whom marketing mail may go to. Not in it: refused with 554 at RCPT TO.

Written and read by `postmap`, so it runs on Postfix's own machine; Postfix sees each change at
once. Without the table, or with one it cannot read, Postfix defers all mail that asks it (451).
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, field_validator

from connectors import coarse, protocol
from connectors.coarse import Rounded, Scope, together
from connectors.protocol import Change, Contact, Held, Problem, Reject, Result, Retry
from noli.domain.channel import Channel, Kind, Purpose
from noli.domain.facts import EVERY_BRAND
from noli.runtime.clock import now_ms

#: In an access(5) table: permit, and ask no further restriction of that list.
_PERMITTED: Final = "OK"
#: What a line of postmap's can begin with: no quote, no comment.
_ADDRESS: Final = re.compile(r"(?!#)[^\s\"\\\x00-\x1f]+@[^\s\"\\\x00-\x1f@]+")
#: What `postmap` says when it ends badly, and what we say of it; it may quote an address.
_FAILURES: Final = (
    ("unsupported dictionary type", "no_lmdb_in_postfix"),
    ("No such file or directory", "map_missing"),
    ("Permission denied", "permission_denied"),
)
_REMEDIES: Final = {
    "no_postfix_here": "run this connector on Postfix's machine, or name its config.commands",
    "no_lmdb_in_postfix": "install postfix-lmdb",
    "map_missing": "use --fix, then `postfix reload`",
    "permission_denied": "let this process write the table's folder, and read Postfix's main.cf",
    "timeout": "see who holds a lock on the table",
}
#: Not its warnings: a main.cf of some age is full of them.
_FATAL: Final = re.compile(r": (fatal|panic|error): ")
_WORDS: Final = re.compile(r"[\s,{}]+")  # of a parameter's value
_PRIVATE: Final = 0o600  # Postfix opens its tables as root
_NO_KEY_FOUND: Final = 1


class Postfix:
    """Keeps the addresses that may be mailed in an lmdb table for check_recipient_access."""

    class Config(protocol.SinkConfig):
        """Which table, what its mail is for."""

        table: Annotated[
            Path, Field(description="/path of lmdb:/path in check_recipient_access; no .lmdb.")
        ]
        config_dir: Annotated[
            Path | None, Field(description="Folder of main.cf, where it is not Postfix's default.")
        ] = None
        commands: Annotated[Path, Field(description="Folder of postmap and postconf.")] = Path(
            "/usr/sbin"
        )
        purpose: coarse.ForPurpose = Purpose.MARKETING
        brand: coarse.OfBrand = EVERY_BRAND
        timeout_s: Annotated[
            float, Field(gt=0, le=60, description="For one postmap, in seconds.")
        ] = 15.0
        batch: Annotated[int, Field(ge=1, le=5000, description="Most addresses at once.")] = 1000

        @field_validator("table")
        @classmethod
        def _is_absolute(cls, value: Path) -> Path:
            if not value.is_absolute() or value.suffix == ".lmdb":
                raise ValueError("write an absolute path without .lmdb, as main.cf does")
            return value

    def __init__(self, config: Config, app: str) -> None:  # noqa: ARG002 - it asks no name
        self._config = config
        self._map = f"lmdb:{config.table}"
        self._scope = Scope(Channel.EMAIL, config.purpose, config.brand)
        self.traits = coarse.traits(config.batch)

    async def check(self) -> Sequence[Problem]:
        """Whether the table can be read, and some restriction asks it rightly. Writes nothing."""
        try:
            await self._allowed(["nobody@invalid"])
            services = _parameters(await self._run("postconf", "-P"))
            main = _parameters(await self._run("postconf", "-x"))
        except Retry as error:
            remedy = _REMEDIES.get(error.reason, "run `postfix check` there")
            fixable = error.reason == "map_missing"
            return [Problem(f"config.table: {error.reason}", remedy, fixable)]
        return list(self._ignored(services, main))

    async def fix(self) -> Sequence[str]:
        """Make an empty table: nobody may be mailed."""
        mended = [problem.what for problem in await self.check() if problem.fixable]
        if mended:
            await self._make()
        return [f"was mended: {what}" for what in mended]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Take out who is denied, put in who is allowed, read all of them back."""
        said = together(changes, self._scope, _address)
        allowed = {address for address, told in said.items() if told.until > now_ms()}
        await self._make()
        await self._run("postmap", "-d", "-", self._map, said=_lines(said.keys() - allowed))
        permits = _lines(f"{address} {_PERMITTED}" for address in allowed)
        await self._run("postmap", "-i", "-r", self._map, said=permits)
        held = await self._allowed(list(said))
        return [_result(change.contact, said, allowed, held) for change in changes]

    async def read_back(self, subjects: Sequence[protocol.Subject]) -> Mapping[str, Held]:
        """Whether mail to the address would be permitted now."""
        named = {s.token: address for s in subjects if (address := _address(s.contact))}
        allowed = await self._allowed(list(named.values())) if named else set()
        return {t: Held(None, {self._scope: each in allowed}) for t, each in named.items()}

    async def aclose(self) -> None:
        """Nothing is kept open."""

    def _ignored(self, services: Mapping[str, str], main: Mapping[str, str]) -> Iterable[Problem]:
        """What makes Postfix overlook the table, or open it too far."""
        asking = [n for n, value in services.items() if self._map in _WORDS.split(value)]
        in_main = any(self._map in _WORDS.split(value) for value in main.values())
        if not asking and not in_main:
            remedy = f"check_recipient_access {self._map}, reject: see refuse-at-the-gateway"
            yield Problem("config.table: no restriction asks it", remedy)
        everywhere = main.get("recipient_delimiter", "")
        theirs = (f"{name.rpartition('/')[0]}/recipient_delimiter" for name in asking)
        if any(services.get(name, everywhere) for name in theirs) or (in_main and everywhere):
            what = "config.table: an allowed a@b.it opens a+x@b.it too (recipient_delimiter)"
            yield Problem(what, "set -o recipient_delimiter= for the service that asks the table")

    async def _make(self) -> None:
        """The table, where there is none. Raises `Retry`."""
        file = self._config.table.with_name(f"{self._config.table.name}.lmdb")
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE))
        except FileExistsError:
            return
        except OSError:
            raise Retry("map_missing") from None
        await self._run("postmap", "-i", "-r", self._map)

    async def _allowed(self, addresses: Sequence[str]) -> set[str]:
        """Those of them that the table permits. Raises `Retry`."""
        answer = await self._run("postmap", "-q", "-", self._map, said=_lines(addresses))
        found = (line.rpartition("\t") for line in answer.splitlines())
        return {address for address, _, value in found if value}

    async def _run(self, command: str, *arguments: str, said: str = "") -> str:
        """What a command of Postfix answers. Raises `Retry` with a code, never its words."""
        where = ["-c", str(self._config.config_dir)] if self._config.config_dir else []
        argv = [str(self._config.commands / command), *where, *arguments]
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=pipe, stdout=pipe, stderr=pipe
            )
        except OSError:
            raise Retry("no_postfix_here") from None
        try:
            async with asyncio.timeout(self._config.timeout_s):
                out, wrong = await process.communicate(said.encode())
        except TimeoutError:
            raise Retry("timeout") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        words = wrong.decode(errors="replace")
        if _FATAL.search(words) or process.returncode not in {0, _NO_KEY_FOUND}:
            raise Retry(next((c for said, c in _FAILURES if said in words), "postmap_failed"))
        return out.decode()


def _result(
    contact: Contact | None, said: Mapping[str, Rounded], allowed: set[str], held: set[str]
) -> Result:
    address = _address(contact)
    if address is None:
        return Reject("not_an_address")
    same = (address in held) == (address in allowed)
    return said[address].applied() if same else Retry("not_kept")


def _address(contact: Contact | None) -> str | None:
    """As Postfix folds it to look it up; None: no address."""
    if contact is None or contact.kind != Kind.EMAIL or not _ADDRESS.fullmatch(contact.value):
        return None
    return contact.value.casefold()


def _lines(words: Iterable[str]) -> str:
    return "".join(f"{word}\n" for word in words)


def _parameters(listed: str) -> dict[str, str]:
    """`name = value` lines of postconf."""
    pairs = (line.partition("=") for line in listed.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
