"""`noli demo`: ten thousand contacts, three hundred opt-outs, two applications, one verdict."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from noli.cli.demo import checks, optouts, places, sheets, verdict
from noli.cli.demo.checks import Finding, Sample
from noli.cli.demo.optouts import CONTROLLER, OptOuts
from noli.cli.demo.people import Line, Person, people
from noli.cli.demo.places import TABLE, WEBHOOK, Places
from noli.cli.demo.receipts import Account, Receipts, followed
from noli.cli.demo.screen import Screen
from noli.cli.demo.verdict import Outcome
from noli.cli.problem import ProblemError
from noli.cli.send import send
from noli.cli.stack import credentials
from noli.domain import contact as contacts
from noli.domain.token import Pepper, token
from noli.intake.links import Links
from noli.runtime import clock, logging, registry
from noli.runtime.settings import Settings
from schemas.codec import Codec

app = typer.Typer(add_completion=False)

#: Fewer would not hold the mail readers and phones who opt out.
_FEWEST: Final = 1_000
APPS: Final = (WEBHOOK, TABLE)
#: The load and the opt-outs are confirmed within seconds; a busy machine gets minutes.
_PATIENCE_S: Final = 120.0
_SEND_PATIENCE_S: Final = 60.0
_PEPPER_VERSION: Final = 1


@app.command()
def demo(
    contacts_: Annotated[
        int, typer.Option("--contacts", min=_FEWEST, help="How many are loaded.")
    ] = 10_000,
) -> None:
    """Load 10,000 contacts, take 300 opt-outs, and prove that two applications obey each of them.

    It runs a stack of its own in a temporary directory and leaves nothing behind. Exit code 0 only
    when nobody who objected is allowed anywhere, and everybody else still is.
    """
    screen = Screen(Console())
    logging.configure("demo", "error")
    with _ended_by_signals():
        try:
            outcome = _run(screen, contacts_)
        except Failed as failed:
            outcome = failed.outcome
    verdict.show(screen.console, outcome)
    raise typer.Exit(0 if outcome.good else 1)


class Failed(Exception):
    """The pipeline did not do its job; raised inside the stack's block, so that its logs stay."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("; ".join(outcome.complaints()))
        self.outcome = outcome


def _run(screen: Screen, count: int) -> Outcome:
    screen.step("Starting a stack of its own: Kafka, registry, PostgreSQL, workers, two apps")
    with places.prepared(screen) as here, followed(*_contracts(here)) as receipts:
        run = Run(here, screen, receipts)
        crowd = people(count)
        run.load(crowd)
        who = optouts.chosen(crowd)
        run.opt_out(who)
        screen.step("Asking everybody who could still contact them")
        objected = set(who.everybody)
        others = [person for person in crowd if person not in objected]
        findings = run.ask(Sample(who.everybody, others[:: len(others) // len(objected)]))
        outcome = Outcome(
            contacts=len(crowd),
            optouts=run.tokens(who.everybody),
            accounts={name: receipts.accounts.get(name, Account()) for name in APPS},
            findings=findings,
            refused_posts=here.application.refused,
        )
        screen.step("Stopping everything")
        if not outcome.good:
            raise Failed(outcome)
    return outcome


class Run:
    """One demo on a stack that is ready."""

    def __init__(self, here: Places, screen: Screen, receipts: Receipts) -> None:
        self._here = here
        self._screen = screen
        self._receipts = receipts
        secret = bytes.fromhex(credentials.pepper(here.data))
        self._pepper = Pepper(_PEPPER_VERSION, secret)

    def load(self, crowd: Sequence[Person]) -> None:
        """The CRM's export and the register's answers, by `noli send`; until both apps know all."""
        export, checked = self._here.root / "contatti.csv", self._here.root / "registro.csv"
        self._screen.step(f"Loading {len(crowd):,} contacts with their consents")
        sheets.contacts(export, crowd, clock.now_ms())
        self._expect(crowd)
        self._send(export, "consent.given")
        self._confirmed("consents confirmed by", len(crowd))
        called = [person for person in crowd if person.line is Line.LANDLINE]
        self._screen.step(f"Telling that {len(called):,} landlines are not on the public register")
        sheets.register_checks(checked, called, clock.now_ms())
        self._expect(called)
        self._send(checked, "register.verified")
        self._confirmed("checks confirmed by", len(called))

    def opt_out(self, who: OptOuts) -> None:
        """Everybody says stop, each in a sender's own shape; until both applications confirmed."""
        self._screen.step(f"{len(who.everybody)} people say stop")
        self._expect(who.everybody)
        self._click("one-click, multipart (RFC 8058)", who.multipart, multipart=True)
        self._click("one-click, urlencoded", who.urlencoded, multipart=False)
        name = "CloudEvents batches of a CRM"
        with self._screen.bars({name: len(who.crm)}) as bars:
            for batch in optouts.crm_batches(who.crm, clock.now_ms()):
                found = self._here.endpoints
                taken = optouts.post_batch(found.intake, found.api_key, batch)
                bars.to(name, bars.done(name) + taken)
        shift = self._here.root / "chiamate.csv"
        sheets.calls(shift, who.calls, clock.now_ms())
        self._send(shift, "objection.raised")
        self._confirmed("opt-outs confirmed by", len(who.everybody))

    def ask(self, sample: Sample) -> list[Finding]:
        """Each place in turn."""
        here = self._here
        found = [
            checks.memory(here.application, sample),
            checks.table(here.psql, here.dsn, sample),
            checks.lookup(here.endpoints.lookup, here.endpoints.api_key, sample),
        ]
        for finding in found:
            self._screen.note(
                f"{finding.place}: of {len(sample.objected)} who objected "
                f"{finding.wrongly_allowed} allowed, of {len(sample.others)} others "
                f"{finding.wrongly_denied} denied"
            )
        return found

    def _expect(self, folk: Sequence[Person]) -> None:
        self._receipts.expect(self.tokens(folk), clock.now_ms())

    def _click(self, name: str, folk: Sequence[Person], *, multipart: bool) -> None:
        minting, intake = Links([self._pepper]), self._here.endpoints.intake
        urls = optouts.links(folk, minting, intake, clock.now_ms())
        with self._screen.bars({name: len(folk)}) as bars:
            for done in optouts.click(urls, multipart=multipart):
                bars.to(name, done)

    def _confirmed(self, what: str, count: int) -> None:
        """Wait until both applications confirmed as many as are expected."""
        names = {f"{what} {name}": name for name in APPS}
        with self._screen.bars(dict.fromkeys(names, count)) as bars:

            def done(accounts: Mapping[str, Account]) -> bool:
                for title, name in names.items():
                    bars.to(title, len(accounts[name].confirmed) if name in accounts else 0)
                return all(bars.done(title) == count for title in names)

            if not self._receipts.wait(done, _PATIENCE_S):
                self._screen.note(f"not all within {_PATIENCE_S:.0f} s")

    def tokens(self, folk: Sequence[Person]) -> set[bytes]:
        """How the log knows them."""
        return {
            token(self._pepper, CONTROLLER, contacts.normalise(person.kind, person.written))
            for person in folk
        }

    def _send(self, file: Path, type_: str) -> None:
        self._screen.note(f"$ noli send {file.name} --controller {CONTROLLER} --type {type_}")
        try:
            send(
                file,
                intake=self._here.endpoints.intake,
                key=self._here.endpoints.api_key,
                controller=CONTROLLER,
                source="https://crm.example/exports",
                type_=type_,
                zone="Europe/Rome",
                batch=500,
                patience=_SEND_PATIENCE_S,
                rejects=None,
                data=self._here.data,
            )
        except typer.Exit as end:
            if end.exit_code:
                raise ProblemError(f"noli send refused lines of {file.name}") from end


def _contracts(here: Places) -> tuple[Settings, Codec]:
    settings = Settings(
        kafka=here.endpoints.kafka,
        registry=here.endpoints.registry,
        data=here.root / "demo",
        instance="noli-demo",
    )
    return settings, registry.codec(settings)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal end the demo as Ctrl-C does: everything is stopped first."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
