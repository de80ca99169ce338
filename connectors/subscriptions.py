"""A contact of an SES contact list as it should be, so that only what we changed is put back.

Our notes stand in its `AttributesData`, a JSON object, under `noli`: what each place said before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson

#: The place that stands for the whole list; no topic can be called so.
ALL: Final = "*"
#: Status of a place that is not written to.
OUT: Final = "OPT_OUT"
_NOTES: Final = "noli"


def statuses(contact: Mapping[str, Any]) -> dict[str, str]:
    """By place, what is said; a place of which nothing is said goes by the list's own default."""
    found = {
        each["TopicName"]: each["SubscriptionStatus"]
        for each in contact.get("TopicPreferences") or ()
    }
    return {**found, ALL: OUT} if contact.get("UnsubscribeAll") else found


def request(
    contact: Mapping[str, Any], denied: Collection[str], places: Collection[str]
) -> dict[str, Any] | None:
    """The change that makes it so, as parameters of SES; None: it is so already.

    It says everything anew: SES drops a topic's preference that is not sent again. A contact whose
    attributes are no JSON object, or have somebody else's `noli`, is denied without a note, and
    stays so.
    """
    attributes = _attributes(contact.get("AttributesData") or "{}")
    notes = dict(attributes.get(_NOTES) or {}) if attributes is not None else {}
    there, wanted, kept = statuses(contact), statuses(contact), dict(notes)
    for place in places:
        now = there.get(place)
        if place in denied and now != OUT:
            notes[place], wanted[place] = now, OUT
        elif place not in denied and place in notes:
            before = notes.pop(place)
            wanted = wanted if now != OUT else _with(wanted, place, before)
    if (wanted, notes) == (there, kept):
        return None
    topics = sorted((topic, status) for topic, status in wanted.items() if topic != ALL)
    said = {
        "UnsubscribeAll": ALL in wanted,
        "TopicPreferences": [{"TopicName": t, "SubscriptionStatus": s} for t, s in topics],
    }
    if attributes is None:
        return said
    others = {name: value for name, value in attributes.items() if name != _NOTES}
    everything = {**others, _NOTES: notes} if notes else others
    return {**said, "AttributesData": orjson.dumps(everything).decode()}


def _with(wanted: Mapping[str, str], place: str, status: str | None) -> dict[str, str]:
    others = {name: value for name, value in wanted.items() if name != place}
    return others if status is None else {**others, place: status}


def _attributes(text: str) -> dict[str, Any] | None:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    ours = isinstance(found, dict) and isinstance(found.get(_NOTES, {}), dict)
    return found if ours else None
