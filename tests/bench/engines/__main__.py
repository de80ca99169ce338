"""`python -m tests.bench.engines`: one run of the whole table. See `--help`."""

from __future__ import annotations

import argparse
import itertools
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from noli.cli.stack.embedded import embedded
from noli.runtime import broker, registry, subjects
from noli.runtime.settings import Settings
from noli.runtime.topics import Wanted
from schemas.codec import HEADER, Codec
from tests.bench.engines import engines, load, report
from tests.bench.engines.outputs import KEY_SIZE, Output, decisions, rate
from tests.bench.engines.running import Bench, Engine, Result

#: Outputs tell when the log took them: that is the clock of the table.
_OUTPUT = {"message.timestamp.type": "LogAppendTime"}
#: Above every preloaded contact's number.
_NEW_CONTACTS = 5_000_000

#: Decisions by contact, in order.
Decided = Mapping[bytes, list[str]]
_STATE = {"cleanup.policy": "compact"}


@dataclass(frozen=True)
class Asked:
    """What all runs share: contacts to compare, numbers of new contacts, whether to be quick."""

    keys: set[bytes]
    fresh: Iterator[int]
    quick: bool


def main() -> None:
    """Run, print the page, and write it unless only some engines were asked for."""
    asked = parsed_arguments()
    folder = Path(tempfile.mkdtemp(prefix="noli-bench-"))
    with embedded(folder / "stack", say) as pair:
        settings = Settings(kafka=pair.kafka, registry=pair.registry, data=folder / "bench")
        text = measured(settings, folder, asked)
    shutil.rmtree(folder)  # kept where something failed: the engines' logs are there
    print(text)
    if not asked.only:
        report.PAGE.parent.mkdir(parents=True, exist_ok=True)
        report.PAGE.write_text(text, "utf-8")


def parsed_arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="make bench-engines", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="of every engine; medians are told")
    parser.add_argument("--events", type=int, default=engines.EVENTS, help="preloaded intents")
    parser.add_argument("--only", default="", help="part of an engine's name; nothing is written")
    parser.add_argument("--quick", action="store_true", help="throughput alone")
    return parser.parse_args()


def measured(settings: Settings, folder: Path, arguments: argparse.Namespace) -> str:
    """Preload, run every engine, compare what they decided."""
    with subjects.connected(settings.registry) as client:
        subjects.apply(client, subjects.plan(client))
    codec = registry.codec(settings)
    ids = {name: HEADER.unpack(head)[1] for name, head in codec._headers.items()}
    create(settings, engines.FOLD_INPUT)
    create(settings, engines.STUB_INPUT)
    say(f"preloading {arguments.events:,} intents and as many raw records")
    load.send(settings, engines.FOLD_INPUT, load.intents(codec, arguments.events))
    load.send(settings, engines.STUB_INPUT, load.raw(arguments.events))
    keys = {
        load.record(codec, number, first=True)[0]
        for number in range(min(load.COMPARED, arguments.events // 2))
    }
    bench = Bench(settings, folder)
    asked = Asked(keys, itertools.count(_NEW_CONTACTS), quick=arguments.quick)
    rounds, decided = [], dict[str, Decided]()
    for number in range(arguments.rounds):
        results = []
        for engine in engines.all_engines(codec, ids, f"bench-{number}", arguments.events):
            if arguments.only.lower() in engine.name.lower():
                result, said = run(bench, engine, codec, asked)
                results.append(result)
                decided.setdefault(engine.name, said)
        rounds.append(results)
    return report.page(rounds, agreement(decided))


def run(
    bench: Bench,
    engine: Engine,
    codec: Codec,
    asked: Asked,
) -> tuple[Result, Decided]:
    """All measurements of one engine, and what it decided about the compared contacts."""
    say(engine.name)
    create(bench.settings, engine.output, **_OUTPUT)
    create(bench.settings, engine.env["BENCH_STATE"], **_STATE)
    result = Result(engine.name, engine.group, engine.events)
    bench.throughput(engine, result)
    output = Output(bench.settings, engine.output)
    messages = output.all()
    output.close()
    result.rate = rate(messages, engine.events)
    if engine.whole and not asked.quick:
        bench.restore_and_latency(engine, result, paced(engine, codec, asked))
    say(f"  {result}")
    if engine.group != engines.FOLD:
        return result, {}
    return result, decisions(codec, messages, asked.keys)


def paced(engine: Engine, codec: Codec, asked: Asked) -> Iterator[load.Record]:
    """Records for the paced load, born when they are taken: contacts nobody has seen."""
    while True:
        if engine.group == engines.FOLD:
            yield load.record(codec, next(asked.fresh), first=True)
        else:
            yield secrets.token_bytes(KEY_SIZE), load.raw_value()


def agreement(decided: Mapping[str, Decided]) -> dict[str, int]:
    """How many decisions of each peer equal ours. Raises where one does not.

    A peer that is measured on fewer events has come less far, in one partition more than in
    another: what it decided of a contact must be how our decisions of that contact begin.
    """
    ours = decided.get(engines.OURS, {})
    agreed: dict[str, int] = {}
    for name, each in decided.items():
        if not ours or not each or name == engines.OURS:
            continue
        differing = sum(ours[key][: len(said)] != said for key, said in each.items())
        if differing:
            raise RuntimeError(f"{name}: the decisions of {differing} contacts differ from ours")
        agreed[name] = sum(map(len, each.values()))
    return agreed


def create(settings: Settings, topic: str, **configs: str) -> None:
    """A topic of the bench."""
    client = broker.admin(settings)
    broker.create(client, [Wanted(topic, engines.PARTITIONS, 1, keyed=True, configs=configs)])


def say(line: str) -> None:
    """Progress."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
