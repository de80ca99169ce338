"""Each engine's own environment, made once from its hashed requirements; the Kafka Streams jar."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from noli.cli.stack.jars import cache_dir

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
KSTREAMS: Final = HERE / "kstreams"


def python(name: str) -> str:
    """The Python of the environment of `requirements-<name>.txt`."""
    requirements = HERE / f"requirements-{name}.txt"
    home = _home(name, [requirements])
    stamp = home / "stamp"
    if not stamp.exists():
        shutil.rmtree(home, ignore_errors=True)
        print(f"making the environment of {name} …", flush=True)
        _run([sys.executable, "-m", "venv", str(home)])
        pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        _run([*pip, "install", "--require-hashes", "-r", str(requirements)])
        stamp.touch()
    return str(home / "bin" / "python")


def kstreams() -> list[str]:
    """The command that runs the Kafka Streams peer; needs Maven and a JDK."""
    sources = sorted(KSTREAMS.rglob("*.java"))
    home = _home("kstreams", [KSTREAMS / "pom.xml", *sources])
    if not (home / "stamp").exists():
        maven = shutil.which("mvn")
        if maven is None or shutil.which("javac") is None:
            raise SystemExit("the Kafka Streams peer needs Maven and a JDK (maven, default-jdk)")
        print("building the Kafka Streams peer …", flush=True)
        pom = str(KSTREAMS / "pom.xml")
        _run([maven, "-q", "-B", "-ntp", "-f", pom, "package", f"-Ddest={home}"])
        (home / "stamp").touch()
    classes = f"{home}/jars/*:{home}/target/*"
    return [shutil.which("java") or "java", "-Xmx1g", "-cp", classes, "noli.bench.Stub"]


def _home(name: str, sources: list[Path]) -> Path:
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return cache_dir() / f"bench-{name}-{digest[:12]}"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr)[-4000:]
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{said}")
