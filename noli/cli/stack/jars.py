"""Kafka and the registry as jars, fetched once by Maven into the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noli.cli.problem import ProblemError
from noli.cli.stack.files import stack_file
from noli.cli.stack.java import find_java

#: Some 212 MB; a slow line gets half an hour.
_FETCH_SECONDS: Final = 1800
_HASH_DIGITS: Final = 12
_SHOWN_LINES: Final = 8
MAVEN_REMEDY: Final = (
    "install Maven (Debian: apt install maven; macOS: brew install maven), "
    "or use docker compose up --wait instead"
)


@dataclass(frozen=True, slots=True)
class Jars:
    """Where the unpacked parts are."""

    root: Path

    @property
    def kafka_classpath(self) -> str:
        """Class path of the broker and its tools."""
        return f"{self.root}/kafka/*"

    @property
    def registry_jar(self) -> Path:
        """The registry's start jar."""
        return self.root / "registry" / "quarkus-run.jar"

    def whole(self) -> bool:
        """Whether a fetch ended well here and nobody emptied it since."""
        kafka = next((self.root / "kafka").glob("kafka_2.13-*.jar"), None)
        return self.stamp.is_file() and kafka is not None and self.registry_jar.is_file()

    @property
    def stamp(self) -> Path:
        """Written last by a fetch that ended well."""
        return self.root / "stamp"


def cache_dir() -> Path:
    """`noli` in the user's cache (XDG)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "noli"


def cached() -> Jars:
    """Where the jars of this pom belong; `whole()` says whether they are there."""
    digest = hashlib.sha256(stack_file("pom.xml").read_bytes()).hexdigest()[:_HASH_DIGITS]
    return Jars(cache_dir() / f"jars-{digest}")


def fetch(say: Callable[[str], None]) -> Jars:
    """The jars, fetched by Maven when they are not there yet; `say` gets one line of progress.

    Safe beside another run: one fetches, the other waits for it. Raises `ProblemError`.
    """
    jars = cached()
    if jars.whole():
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        raise ProblemError(
            "Maven (mvn) is not installed: it fetches Kafka and the registry", MAVEN_REMEDY
        )
    jars.root.parent.mkdir(parents=True, exist_ok=True)
    with _locked(jars.root.with_suffix(".lock"), say):
        if not jars.whole():
            say("fetching Kafka and the registry by Maven (some 210 MB, once)")
            _fetch_into(jars.root, maven)
    return jars


@contextmanager
def _locked(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is fetching Kafka and the registry; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_into(root: Path, maven: str) -> None:
    fresh = Path(tempfile.mkdtemp(dir=root.parent, prefix=f"{root.name}."))
    try:
        _run_maven(maven, fresh)
        Jars(fresh).stamp.write_text("complete\n", "utf-8")
        if not Jars(fresh).whole():
            raise ProblemError(
                "Maven ended well but some jars are missing",
                "run the command again; if it stays, empty ~/.m2/repository",
            )
        fresh.chmod(0o755)
        shutil.rmtree(root, ignore_errors=True)  # what an emptied or half-deleted cache left
        fresh.rename(root)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _run_maven(maven: str, destination: Path) -> None:
    command = [
        maven,
        "-q",
        "-B",
        "-ntp",
        "-f",
        str(stack_file("pom.xml")),
        "initialize",
        f"-Ddest={destination}",
    ]
    environment = dict(os.environ)
    if shutil.which("java") is None and "JAVA_HOME" not in environment:
        # Maven is a Java program too; the one that comes by pip serves it.
        environment["JAVA_HOME"] = str(find_java().path.parent.parent)
    try:
        run = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_FETCH_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise ProblemError(
            f"Maven did not end within {_FETCH_SECONDS // 60} minutes",
            "see whether the network reaches your Maven repository",
        ) from error
    if run.returncode:
        lines = (run.stdout + run.stderr).strip().splitlines()
        raise ProblemError(
            "Maven could not fetch Kafka and the registry",
            "see whether the network reaches your Maven repository (~/.m2/settings.xml names a "
            "mirror or proxy), then run the command again",
            "\n".join(lines[:_SHOWN_LINES]),
        )
