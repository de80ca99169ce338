"""The applications of calls, as far as a campaign has to know them: what each has confirmed.

An alignment comes from every application each second, and matters only while a hold waits: it is
kept as it came, and read when it is asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

from noli.wire import alignment, apps
from noli.wire.alignment import Aligned
from schemas.codec import Codec, UnreadableError
from schemas.names import ALIGNMENT, APPS
from streams.watch.tally import confirmed_as_of

#: Records of an application kept unread: seconds of them.
_LAST: Final = 8


class Serving:
    """`noli.apps` and `noli.alignment`, as far as they were read."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._apps: Mapping[str, apps.App] = {}
        self._aligned: dict[str, Aligned] = {}
        #: Records of each application that nobody has read yet; of many the last.
        self._unread: dict[bytes | None, deque[bytes | None]] = {}

    def take(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """One more record. Raises `UnreadableError` for an order to an application."""
        if topic == ALIGNMENT:
            # A stopped watcher's old word has the newer one before it, or is of the past.
            self._unread.setdefault(key, deque(maxlen=_LAST)).append(value)
        elif topic == APPS:
            self._apps = apps.folded(self._apps, *self._codec.decode(value))

    def confirmed(self, controller: str) -> int | None:
        """Before when all that serve calls of the controller hold what was decided (ms).

        None: not known.
        """
        unread, self._unread = self._unread, {}
        for value in (each for values in unread.values() for each in values):
            self._read(value)
        return confirmed_as_of(controller, self._apps, self._aligned)

    def _read(self, value: bytes | None) -> None:
        try:
            name, datum = self._codec.decode(value)
        except UnreadableError:
            return  # of a newer build, which is read by a watcher of that build
        if name != "noli.Alignment":
            return
        found = alignment.read(datum)
        if alignment.newer(self._aligned.get(found.app), found):
            self._aligned[found.app] = found
