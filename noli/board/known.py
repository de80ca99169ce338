"""All that a board knows: the applications, and what was last said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from noli.board.lags import Lags
from noli.board.news import GONE, UNREADABLE, News
from noli.wire import alignment, apps
from noli.wire.apps import App, State
from schemas.names import ALIGNMENT, APPS, BEACON_KEY, CAMPAIGNS, CANARIES, QUARANTINE

Datum = Mapping[str, Any]

OVERALL: Final = alignment.OVERALL

_BEACON: Final = BEACON_KEY.decode()

#: A record in noli.quarantine: partition and offset.
Place = tuple[int, int]


class Quarantined(NamedTuple):
    """A record that waits for a human; nothing of what it holds. `at` in ms."""

    at: int
    topic: str
    reason: str


class Known:
    """What was told so far. For one thread."""

    def __init__(self) -> None:
        self._apps: dict[str, App] = {}
        #: By key, the newest record; None: it cannot be read, so nothing is known.
        self.alignment: dict[str, Datum | None] = {}
        self.canaries: dict[str, Datum | None] = {}
        self.campaigns: dict[str, Datum | None] = {}
        self.quarantine: dict[Place, Quarantined] = {}
        self._resolved: set[Place] = set()
        self.lags = Lags()
        self._take: Mapping[str, Callable[[News], None]] = {
            APPS: self._act,
            ALIGNMENT: self._align,
            CANARIES: lambda news: _newest(self.canaries, news),
            CAMPAIGNS: self._count,
            QUARANTINE: self._hold,
        }

    @property
    def apps(self) -> dict[str, App]:
        """The applications there are, by name, also such as nobody announced; no removed ones."""
        there = {name: app for name, app in self._apps.items() if app.state is not State.REMOVED}
        heard = {name: App(name) for name in self.alignment.keys() - self._apps.keys() - {OVERALL}}
        return dict(sorted((heard | there).items()))

    def take(self, news: Iterable[News]) -> None:
        """Know what is new, in the order of the log."""
        for each in news:
            self._take[each.topic](each)

    def _act(self, news: News) -> None:
        if news.datum is not None:  # a newer build's can change nothing here
            self._apps = apps.folded(self._apps, news.name, news.datum)

    def _align(self, news: News) -> None:
        known = self.alignment.get(news.key)
        if known is not None and news.datum is not None and not _replaces(known, news.datum):
            return  # of a watcher that had been replaced
        _newest(self.alignment, news)
        if news.datum is not None:
            self.lags.told(news.key, news.datum["at"], news.datum["as_of"])

    def _count(self, news: News) -> None:
        if news.key == _BEACON:
            return  # how far they are counted, which is of no campaign
        known = self.campaigns.get(news.key)
        if known is None or news.datum is None or _calls(news.datum) >= _calls(known):
            _newest(self.campaigns, news)  # else: of a watcher that had been replaced

    def _hold(self, news: News) -> None:
        place = (news.partition, news.offset)
        if news.name == "noli.QuarantineResolved" and news.datum is not None:
            resolved = (news.datum["partition"], news.datum["offset"])
            if self.quarantine.pop(resolved, None) is None:
                self._resolved.add(resolved)  # said before what it resolves was read
        elif place in self._resolved:
            self._resolved.discard(place)
        elif news.datum is not None:
            datum = news.datum
            self.quarantine[place] = Quarantined(datum["at"], datum["topic"], datum["reason"])
        elif news.name == UNREADABLE:
            self.quarantine[place] = Quarantined(news.at, QUARANTINE, "unreadable")


def _newest(found: dict[str, Datum | None], news: News) -> None:
    if news.name == GONE:
        found.pop(news.key, None)
    else:
        found[news.key] = news.datum


def _replaces(known: Datum, found: Datum) -> bool:
    return alignment.newer(alignment.read(known), alignment.read(found))


def _calls(campaign: Datum) -> int:
    calls: int = campaign["attended"] + campaign["silent"]
    return calls
