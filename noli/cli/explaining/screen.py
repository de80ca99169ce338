"""An explanation on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from noli.cli.explaining import phrases
from noli.domain import times, wording
from noli.domain.facts import EVERY_BRAND
from noli.domain.law import BEHIND, RULE, Rule
from noli.domain.reason import OPERATOR_GUARANTEED, Reason
from noli.domain.verdict import Verdict
from noli.domain.wording import Language
from noli.evidence import told
from noli.evidence.explanation import Answer, Explanation
from noli.evidence.history import Entry

_SHOWN: Final = {True: (phrases.ALLOWED, "bold green"), False: (phrases.DENIED, "bold red")}
_INDENT: Final = 2


def show(found: Explanation, language: Language, console: Console) -> None:
    """Print it: who and when, the verdict, why, and the facts."""
    console.print(_Screen(found, language).whole(), highlight=False)


class _Screen:
    """One explanation in one language."""

    def __init__(self, found: Explanation, language: Language) -> None:
        self._found = found
        self._language = language

    def whole(self) -> RenderableType:
        """All of it."""
        parts = [self._head(), *self._section(phrases.VERDICT, self._verdicts())]
        parts += self._section(phrases.WHY, self._why())
        parts += self._section(phrases.FACTS, self._facts())
        return Group(*parts)

    def _said(self, words: wording.Words) -> str:
        return words.said(self._language)

    def _section(
        self, words: wording.Words, lines: Iterable[RenderableType]
    ) -> list[RenderableType]:
        return [Text(f"\n{self._said(words)}", "bold"), *lines]

    def _head(self) -> RenderableType:
        asked = self._found.question
        kind = self._said(wording.KIND[asked.contact.kind])
        head = Text(asked.contact.value, "bold")
        head.append(f" ({kind}) · {asked.controller}", "default")
        return Group(head, Text(f"{self._said(phrases.AS_OF)} {times.text(asked.at)}"))

    def _verdicts(self) -> Iterator[RenderableType]:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column()
        for answer in sorted(self._found.answers, key=lambda a: not a.verdict.allowed):
            words, style = _SHOWN[answer.verdict.allowed]
            grid.add_row(Text(self._said(words), style), self._answer(answer))
        yield _indented(grid)

    def _answer(self, answer: Answer) -> RenderableType:
        purposes = told.named(answer.purposes, wording.PURPOSE, self._language)
        channels = told.named(answer.channels, wording.CHANNEL, self._language)
        scope = f"{purposes} {self._said(phrases.BY)} {channels}"
        if answer.brand != EVERY_BRAND:
            scope += f" · {self._said(phrases.BRAND)} {answer.brand}"
        lines = [Text(scope), *map(Text, self._grounds(answer.verdict))]
        if answer.verdict.until is not None:
            until = f"{self._said(phrases.UNTIL)} {times.text(answer.verdict.until)}"
            if answer.then is not None:
                until += f", {self._said(phrases.THEN)} {self._outcome(answer.then)}"
            lines.append(Text(until, "yellow"))
        return Group(*lines)

    def _grounds(self, verdict: Verdict) -> Iterator[str]:
        """On what it rests, in codes or few words."""
        if verdict.basis is not None:
            yield f"{self._said(phrases.ON)} {self._said(wording.BASIS[verdict.basis])}"
        if verdict.reasons:
            yield " ".join(verdict.reasons)
        conditions = [each for each in verdict.conditions if each != OPERATOR_GUARANTEED]
        if len(conditions) < len(verdict.conditions):
            yield self._said(wording.OPERATOR_GUARANTEED)
        if conditions:
            yield f"{self._said(phrases.ONLY_PRODUCTS)} {', '.join(conditions)}"

    def _outcome(self, verdict: Verdict) -> str:
        words, _style = _SHOWN[verdict.allowed]
        return " · ".join([self._said(words), *self._grounds(verdict)])

    def _why(self) -> Iterator[RenderableType]:
        """Each reason and basis once, whatever it is given for, also those to come."""
        verdicts = [answer.verdict for answer in self._found.answers]
        verdicts += [answer.then for answer in self._found.answers if answer.then is not None]
        bases = dict.fromkeys(verdict.basis for verdict in verdicts if verdict.basis is not None)
        given = {reason for verdict in verdicts for reason in verdict.reasons}
        for basis in bases:
            title = Text(self._said(wording.BASIS[basis]), "bold green")
            yield self._rules(title, (RULE[phrases.RULE_OF_BASIS[basis]],))
        for reason in Reason:
            if reason in given:
                title = Text(reason, "bold red")
                title.append(f"  {self._said(wording.REASON[reason])}", "default")
                yield self._rules(title, BEHIND[reason])

    def _rules(self, title: Text, rules: tuple[Rule, ...]) -> RenderableType:
        lines: list[RenderableType] = [title]
        for rule in rules:
            sentence = rule.italian if self._language == Language.ITALIAN else rule.english
            text = Text(f"{self._said(phrases.RULE)} {rule.id}: ", "cyan")
            text.append(sentence, "default")
            text.append(f" [{', '.join(rule.sources)}]", "dim")
            lines.append(_indented(text))
        return _indented(Group(*lines))

    def _facts(self) -> Iterator[RenderableType]:
        found = self._found
        for entry in found.facts:
            yield _indented(self._fact(entry))
        if not found.facts:
            yield _indented(Text(self._said(phrases.NOTHING)))
        if found.later:
            yield _indented(Text(f"{self._said(phrases.LATER)} {found.later}", "dim"))
        if found.unread:
            text = f"{self._said(phrases.UNREAD)} {', '.join(found.unread)}"
            yield _indented(Text(text, "bold red"))

    def _fact(self, entry: Entry) -> RenderableType:
        fact, language = entry.fact, self._language
        title = Text(times.text(fact.effective), "dim")
        title.append(f"  {told.title(fact, language)}", "bold")
        when = [(phrases.ACTED, times.text(fact.time))]
        when.append((phrases.ACCEPTED, times.text(fact.accepted)))
        if entry.known > fact.accepted:
            when.append((phrases.REACHED, times.text(entry.known)))
        where = [
            (phrases.SENDER, fact.source),
            (phrases.ORIGIN, fact.source_id),
            (phrases.EVIDENCE, fact.evidence_ref),
            (phrases.RECEIPT, entry.place),
        ]
        details = told.details(fact, language)
        lines = [*([Text(details)] if details else []), self._pairs(when), self._pairs(where)]
        return Group(title, *(_indented(line) for line in lines))

    def _pairs(self, pairs: Iterable[tuple[wording.Words, str | None]]) -> Text:
        """Names and values on one line; what is not known is left out."""
        said = [(self._said(words), value) for words, value in pairs if value]
        line = Text()
        for number, (name, value) in enumerate(said):
            line.append(" · " if number else "", "dim")
            line.append(f"{name} ", "dim")
            line.append(value, "default")
        return line


def _indented(what: RenderableType) -> RenderableType:
    return Padding(what, (0, 0, 0, _INDENT), expand=False)
