"""Releasing a contract: its hash goes into `schemas/released.lock`, golden bytes beside this file.

`make schemas-release` adds what is not released yet and refuses an edit of what is. A released
contract changes by a new file: copy `avro/x.avsc` to `avro/x.v2.avsc`, change that, point
`schemas.codec.RECORDS` at it, release it. The old file stays: evidence is read in ten years too.

A golden file holds one record a line, `hexadecimal body<TAB>expected value as JSON`, one line for
each branch and symbol the schema has, written once at release and never again.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any, Final

import fastavro

from tests.contract.samples import samples

ROOT: Final = Path(__file__).parents[2]
AVRO: Final = ROOT / "schemas" / "avro"
LOCK: Final = ROOT / "schemas" / "released.lock"
GOLDEN: Final = Path(__file__).parent / "golden"

EDITED: Final = (
    "{} is released and was edited. Released contracts never change: restore it, copy it to a new "
    "version (x.v2.avsc), change that, point schemas.codec.RECORDS at it, `make schemas-release`"
)


def contracts() -> list[str]:
    """File stem of every contract."""
    return sorted(path.stem for path in AVRO.glob("*.avsc"))


def schema(stem: str) -> Any:  # noqa: ANN401 - an Avro schema is any JSON
    """A contract as parsed JSON."""
    return json.loads((AVRO / f"{stem}.avsc").read_text("utf-8"))


def digest(stem: str) -> str:
    """SHA-256 of a contract's canonical JSON: layout may change, meaning and words may not."""
    canonical = json.dumps(schema(stem), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def released() -> dict[str, str]:
    """Hash by file stem, as released; empty before the first release."""
    lines = LOCK.read_text("utf-8").splitlines() if LOCK.exists() else []
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return {stem: digest for digest, stem in pairs}


def golden(stem: str) -> list[tuple[bytes, Any]]:
    """Each golden record of a contract: its body, and the value it must still decode to."""
    lines = (GOLDEN / f"{stem}.tsv").read_text("utf-8").splitlines()
    return [(bytes.fromhex(body), json.loads(value)) for body, value in map(_split, lines)]


def _split(line: str) -> tuple[str, str]:
    body, _, value = line.partition("\t")
    return body, value


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever Avro decodes to
    """A decoded value as JSON has it: bytes as hexadecimal, a named branch as `[name, value]`."""
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case _:
            return value


def main() -> None:
    """Release what is not released yet. Exits with a message when a released contract changed."""
    lock = released()
    for stem, known in lock.items():
        if not (AVRO / f"{stem}.avsc").exists() or digest(stem) != known:
            raise SystemExit(EDITED.format(f"schemas/avro/{stem}.avsc"))
    fresh = [stem for stem in contracts() if stem not in lock]
    for stem in fresh:
        write_golden(stem)
        lock[stem] = digest(stem)
    head = "# SHA-256 of each released contract, canonical. Written by `make schemas-release`.\n"
    LOCK.write_text(head + "".join(f"{lock[stem]}  {stem}\n" for stem in sorted(lock)), "utf-8")
    print("released:", ", ".join(fresh) or "nothing new")  # noqa: T201 - a command's answer


def write_golden(stem: str) -> None:
    """Encode every sample of a contract and keep it with the value it decodes to."""
    parsed = fastavro.parse_schema(schema(stem))
    lines = []
    for sample in samples(schema(stem)):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, sample)
        out.seek(0)
        value = fastavro.schemaless_reader(
            out, parsed, None, return_record_name=True, return_record_name_override=True
        )
        text = json.dumps(plain(value), ensure_ascii=False, sort_keys=True)
        lines.append(f"{out.getvalue().hex()}\t{text}\n")
    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / f"{stem}.tsv").write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    main()
