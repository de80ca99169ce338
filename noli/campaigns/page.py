"""The report as one page of HTML that needs nothing else: to be printed on A4, and handed over."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from importlib import metadata, resources
from shlex import quote
from typing import Final, NamedTuple

from noli.campaigns import chart
from noli.campaigns.report import Report
from noli.domain import times
from noli.domain.campaigns import IN_CALLS, SILENT_MOST, Counts, exceeded, ratio

#: A narrow space that does not break: digits in groups of three, as both languages read them.
_GROUP: Final = "\u202f"


class Said(NamedTuple):
    """The same in both languages."""

    it: str
    en: str

    def html(self) -> str:
        """Italian first: that is who reads it."""
        return f'{escape(self.it)} <span class="en" lang="en">{escape(self.en)}</span>'


_TITLE: Final = Said("Statistica delle chiamate mute", "Silent call statistics of a campaign")
_LAW: Final = (
    "Garante per la protezione dei dati personali, provvedimento generale del 20 febbraio 2014,"
    " n. 83"
)
_COLUMNS: Final = {
    "attended": Said("Andate a buon fine", "Attended"),
    "silent": Said("Mute", "Silent"),
    "ratio": Said("Mute ogni 100", "Silent in 100"),
    "late_cuts": Said("Oltre 3 secondi", "Cut later than 3 s"),
    "no_comfort_noise": Said("Attesa in silenzio", "No comfort noise"),
    "cut_unrecorded": Said("Durata non registrata", "Cut not recorded"),
    "noise_unrecorded": Said("Comfort noise non registrato", "Noise not recorded"),
    "holds_due": Said("Sospensioni dovute", "Holds due"),
    "holds_confirmed": Said("Confermate", "Confirmed"),
}
_SUMMARY: Final = {
    "attended": Said("Chiamate andate a buon fine", "calls attended by an operator"),
    "silent": Said("Chiamate mute", "silent calls"),
    "ratio": Said("Chiamate mute ogni 100 andate a buon fine", "silent calls in 100 attended"),
    "late_cuts": Said("Chiamate mute interrotte oltre i 3 secondi", "cut later than 3 seconds"),
    "no_comfort_noise": Said("Attese in silenzio", "calls without comfort noise"),
    "cut_unrecorded": Said("Chiamate mute di durata non registrata", "cut not recorded"),
    "noise_unrecorded": Said("Comfort noise non registrato", "comfort noise not recorded"),
    "holds_due": Said("Sospensioni di 5 giorni dovute", "5-day holds due"),
    "holds_confirmed": Said("Sospensioni confermate", "5-day holds confirmed"),
}
_HOW: Final = (
    Said(
        "È andata a buon fine una chiamata a cui ha parlato un operatore; è muta una chiamata"
        " risposta a cui nessuno ha parlato. Il limite è di 3 chiamate mute ogni 100 andate a buon"
        " fine, nell'intera campagna e in ciascun giorno; le prime cento valgono cento.",
        "A call went well when an operator spoke on it; it is silent when it was answered and"
        " nobody spoke. The limit is 3 silent calls in 100 that went well, in the whole campaign"
        " and on each day; the first hundred counts as a hundred.",
    ),
    Said(
        "Ogni chiamata conta una sola volta, nel giorno in cui è stata risposta, secondo l'ora"
        " italiana.",
        "Each call counts once, on the day on which it was answered, by Italian clocks.",
    ),
    Said(
        "Superato il limite, la verifica prima della chiamata risponde CAMPAIGN_SILENT_RATIO e la"
        " campagna non può chiamare, finché i numeri non rientrano.",
        "Over the limit, the check before a call answers CAMPAIGN_SILENT_RATIO and the campaign"
        " may not call until the numbers are back within it.",
    ),
    Said(
        "Ciò che il centralino non ha registrato non è contato come violazione né come"
        " conformità: è indicato a parte.",
        "What the dialer did not record counts neither as a breach nor as its absence: it is told"
        " apart.",
    ),
    Said(
        "Dopo una chiamata muta il recapito non può essere chiamato per 5 giorni. La sospensione è"
        " confermata quando tutte le applicazioni che chiamano per il titolare l'hanno ricevuta e"
        " confermata; se nessuna riceve i divieti, resta affidata alla verifica prima di ogni"
        " chiamata e non risulta confermata.",
        "After a silent call the contact may not be called for 5 days. The hold is confirmed once"
        " every application that calls for the controller has received and confirmed it; where"
        " none receives denials it is kept by the check before each call, and shows as not"
        " confirmed.",
    ),
)


def html(report: Report) -> str:
    """The page."""
    title = f"{_TITLE.it}: {report.campaign.campaign}"
    style = resources.files("noli.campaigns").joinpath("page.css").read_text("utf-8")
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="it"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>\n{style}</style></head><body>",
            *_head(report),
            _outcome(report),
            *_summary(report),
            *_days(report),
            *_how(),
            *_foot(report),
            "</body></html>\n",
        )
    )


def number(value: int) -> str:
    """With its digits in groups."""
    return f"{value:,}".replace(",", _GROUP)


def decimal(value: float) -> str:
    """Two places, after a comma."""
    return f"{value:.2f}".replace(".", ",")


def _moment(ms: int) -> str:
    return times.text(ms - ms % times.SECOND).replace("T", " ").replace("Z", " UTC")


def _head(report: Report) -> Iterable[str]:
    known = report.campaign
    about = (
        (Said("Titolare", "Controller"), known.controller, ""),
        (Said("Campagna", "Campaign"), known.campaign, ""),
        (Said("Periodo", "Period"), f"{report.first} – {report.last}", ""),
        (Said("Chiamate contate fino al", "Counted until"), _moment(known.at), "plain"),
        (Said("Stampato il", "Printed"), _moment(report.made), "plain"),
        (Said("Fonte", "Source"), report.source, "plain"),
    )
    yield f"<header><h1>{_TITLE.html()}</h1>"
    yield f'<p class="law">{escape(_LAW)}</p></header><dl>'
    for said, value, how in about:
        yield f'<div><dt>{said.html()}</dt><dd class="{how}">{escape(value)}</dd></div>'
    yield "</dl>"


def _outcome(report: Report) -> str:
    known = report.campaign
    if known.over:
        since = "" if known.over_since is None else _moment(known.over_since)
        said = Said(f"Oltre il limite dal {since}", f"Over the limit since {since}")
        more = Said("La campagna non può chiamare:", "The campaign may not call:")
        whole = exceeded(known.whole)
        why = Said("intera campagna", "whole campaign") if whole else Said("un giorno", "one day")
        more = Said(f"{more.it} {why.it}.", f"{more.en} {why.en}.")
    else:
        said = Said("Entro il limite", "Within the limit")
        more = Said("La campagna può chiamare.", "The campaign may call.")
    limit = Said(f"limite {SILENT_MOST} ogni {IN_CALLS}", f"limit {SILENT_MOST} in {IN_CALLS}")
    return (
        f'<section class="outcome {"over" if known.over else "within"}"><div>'
        f"<strong>{said.html()}</strong>{more.html()}</div>"
        f'<div class="ratio"><b>{decimal(ratio(known.whole))}</b> / {IN_CALLS}<br>'
        f"{limit.html()}</div></section>"
    )


def _summary(report: Report) -> Iterable[str]:
    period, whole = Said("Periodo", "Period"), Said("Intera campagna", "Whole campaign")
    yield f"<h2>{Said('Riepilogo', 'Summary').html()}</h2><table><thead><tr><th></th>"
    yield f'<th class="n">{period.html()}</th><th class="n">{whole.html()}</th></tr></thead><tbody>'
    for name, said in _SUMMARY.items():
        cells = "".join(_cell(counts, name) for counts in (report.period, report.campaign.whole))
        yield f'<tr><th scope="row">{said.html()}</th>{cells}</tr>'
    yield "</tbody></table>"


def _days(report: Report) -> Iterable[str]:
    yield f"<h2>{Said('Giorno per giorno', 'Day by day').html()}</h2>"
    if not report.days:
        none = Said("Nessuna chiamata in questo periodo.", "No call in this period.")
        yield f"<p>{none.html()}</p>"
        return
    yield chart.figure(report)
    label = "Giorno per giorno"
    yield f'<div class="days" role="region" tabindex="0" aria-label="{label}"><table><thead><tr>'
    yield f'<th scope="col">{Said("Giorno", "Day").html()}</th>'
    for said in _COLUMNS.values():
        yield f'<th scope="col" class="n">{said.html()}</th>'
    yield "</tr></thead><tbody>"
    for day, counts in report.days:
        cells = "".join(_cell(counts, name) for name in _COLUMNS)
        yield f"<tr><td>{day.isoformat()}</td>{cells}</tr>"
    total = "".join(_cell(report.period, name, judged=False) for name in _COLUMNS)
    yield f"</tbody><tfoot><tr><th>{Said('Periodo', 'Period').html()}</th>{total}</tr></tfoot>"
    yield "</table></div>"


def _cell(counts: Counts, name: str, *, judged: bool = True) -> str:
    if name != "ratio":
        return f"<td>{number(getattr(counts, name))}</td>"
    if judged and exceeded(counts):
        return f'<td class="exceeded"><span class="mark">▲</span> {decimal(ratio(counts))}</td>'
    return f"<td>{decimal(ratio(counts))}</td>"


def _how() -> Iterable[str]:
    yield f"<h2>{Said('Come si conta', 'How it is counted').html()}</h2><ul>"
    for said in _HOW:
        yield f"<li>{said.html()}</li>"
    yield "</ul>"


def _foot(report: Report) -> Iterable[str]:
    known = report.campaign
    command = (
        f"noli campaign report {quote(known.campaign)} --controller {quote(known.controller)}"
        f" --from {report.first} --to {report.last} --json"
    )
    how = Said(
        "Impronta SHA-256 dei dati (JSON con chiavi ordinate, senza spazi). Gli stessi dati si"
        " ottengono con:",
        "SHA-256 of the data (JSON, sorted keys, no blanks). The same data are given by:",
    )
    yield f"<footer><h2>{Said('Impronta dei dati', 'Digest of the data').html()}</h2>"
    yield f'<p class="digest">{report.sha256()}</p><p class="note">{how.html()}<br>'
    yield f"<code>{escape(command)}</code></p>"
    yield f'<p class="note">Noli {escape(metadata.version("noli"))}</p></footer>'
