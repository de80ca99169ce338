"""docs/explanation/law.md, from the rule table and the tests that bear its rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from noli.cli.pages.markdown import code, head, table
from noli.cli.pages.proofs import Proof, proofs
from noli.domain.law import BEHIND, LAW, Rule
from noli.domain.reason import Reason
from noli.domain.wording import REASON

_INTRODUCTION: Final = """\
Every rule that Noli obeys, in a sentence, English and Italian, with its source, the codes by which
a denial names it, the code that enforces it, and the tests that prove it: what each forbids and
what it still allows. The build fails where a test does. The page is made from the same table that
`noli explain` speaks with, so it cannot say anything else than the program.

## How to read it

- Contact is **denied** unless a rule allows it. Whatever is unknown, unreadable, too old or in
  error is denied. No rule is loosened by doubt.
- A rule speaks of one **contact** (a number, an e-mail address, a postal address) of one
  **controller** (*titolare*), by one **channel**, for one **purpose**, for one **brand**. Who asks
  without a brand asks for all: what allows one brand does not answer, an objection to any denies.
- Automated channels: e-mail, SMS, MMS, push, messaging, fax, automated calls. Personal: operator
  calls, post.
- A fact has two times: when the person acted, and when the log took it. The earlier counts, so
  nothing takes effect from the future. Every verdict can be asked for any past moment
  (`noli explain CONTACT --controller C --at T`; `noli decide FILE` needs no system behind it).
- Sources 000 to 004 are the documents the product was asked for from: addresses from social
  networks (000), soft spam (001), telemarketing and promotional activity in the decisions and
  guidelines of the Garante (002), unlisted numbers (003), the CRM as evidence (004). The others are
  statutes: GDPR; *Codice Privacy* (d.lgs. 196/2003) art. 130; Garante, provv. 20 February 2014
  n. 83 (silent calls); D.P.R. 26/2022 (RPO, the register of objections).
"""
_STATES: Final = {
    "enforced": "Enforced.",
    "in part": "Enforced in part.",
    "not yet": "Not yet enforced.",
}


def page() -> str:
    """The page."""
    found = proofs()
    parts = [head("The law, rule by rule", _INTRODUCTION)]
    parts.append(table(["rule", "source", "here"], [_line(rule) for rule in LAW]))
    parts += [_section(rule, [proof for proof in found if proof.rule == rule.id]) for rule in LAW]
    parts.append(_reasons())
    return "\n".join(parts)


def state(rule: Rule) -> str:
    """`enforced`, `in part` or `not yet`."""
    if not rule.code:
        return "not yet"
    return "in part" if rule.later else "enforced"


def _line(rule: Rule) -> list[str]:
    return [f"[{rule.id}](#{rule.id.lower()})", ", ".join(rule.sources), state(rule)]


def _section(rule: Rule, proven: Sequence[Proof]) -> str:
    """One rule."""
    lines = [f"## {rule.id}", "", rule.english, "", f"*{rule.italian}*", ""]
    lines.append(f"- Source: {', '.join(rule.sources)}.")
    if rule.reasons:
        lines.append(f"- A denial names it {' or '.join(map(code, rule.reasons))}.")
    status = f"- {_STATES[state(rule)]}"
    if rule.code:
        status += f" By {', '.join(map(code, rule.code))}."
    if rule.later:
        status += f" {rule.later}"
    lines.append(status)
    if proven:
        lines += ["", "Proven by:", ""]
        lines += map(_proof, proven)
    return "\n".join(lines) + "\n"


def _proof(proof: Proof) -> str:
    """A test as a sentence: its name is what it proves, its docstring how."""
    words = proof.name.removeprefix("test_").replace("_", " ")
    return f'- {words.capitalize()}. *{proof.says}* [test](../../{proof.path} "{proof.name}")'


def _reasons() -> str:
    """Every reason code, in words."""
    rows = [
        [
            code(reason),
            REASON[reason].en,
            f"*{REASON[reason].it}*",
            ", ".join(f"[{rule.id}](#{rule.id.lower()})" for rule in BEHIND[reason]),
        ]
        for reason in Reason
    ]
    return "## The reasons in words\n\n" + table(["code", "English", "Italian", "rules"], rows)
