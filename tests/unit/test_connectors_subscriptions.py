"""What is asked of an SES contact: everything said anew, and only what we changed put back."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from connectors.subscriptions import ALL, OUT, request, statuses

TOPICS = ("red", "blue", "green")
contacts = st.fixed_dictionaries(
    {
        "UnsubscribeAll": st.booleans(),
        "TopicPreferences": st.dictionaries(
            st.sampled_from(TOPICS), st.sampled_from(["OPT_IN", OUT])
        ).map(
            lambda said: [
                {"TopicName": t, "SubscriptionStatus": s} for t, s in sorted(said.items())
            ]
        ),
    },
    optional={
        "AttributesData": st.sampled_from(
            ["", "{}", '{"name":"Anna"}', "likes roses", "[1]", '{"noli":5}']
        )
    },
)
places = st.sets(st.sampled_from([ALL, *TOPICS]))


def keeps_notes(contact: dict[str, Any]) -> bool:
    """Whether there is room for ours among its attributes."""
    found = _json(contact.get("AttributesData") or "{}")
    return isinstance(found, dict) and "noli" not in found


def done(contact: dict[str, Any], wanted: dict[str, Any] | None) -> dict[str, Any]:
    """The contact afterwards."""
    return {**contact, **(wanted or {})}


@given(contacts, places, places)
def test_what_is_denied_is_out_and_asked_for_once(
    contact: dict[str, Any], ours: set[str], denied: set[str]
) -> None:
    """Every denied place of ours is out; the others say what they said; again, nothing is asked."""
    after = done(contact, request(contact, denied, ours))
    before, now = statuses(contact), statuses(after)
    assert all(now.get(place) == OUT for place in ours & denied)
    others = set(now) | set(before)
    assert all(now.get(place) == before.get(place) for place in others - (ours & denied))
    if keeps_notes(contact):
        assert request(after, denied, ours) is None


@given(contacts, places)
def test_an_allowance_puts_back_exactly_what_we_changed(
    contact: dict[str, Any], ours: set[str]
) -> None:
    """Who was out before us stays out; where no note can be kept, all that is denied stays so."""
    after = done(contact, request(contact, ours, ours))
    back = done(after, request(after, set(), ours))
    noted = keeps_notes(contact)
    assert statuses(back) == (statuses(contact) if noted else statuses(after))
    if noted:
        assert _json(back.get("AttributesData") or "{}") == _json(
            contact.get("AttributesData") or "{}"
        )
    else:
        assert back.get("AttributesData") == contact.get("AttributesData")


def test_what_somebody_chose_since_is_kept() -> None:
    """Opted in again behind our back, then allowed: the choice stands, our note goes."""
    denied = done({}, request({}, {"red"}, {"red"}))
    chosen = {**denied, "TopicPreferences": [{"TopicName": "red", "SubscriptionStatus": "OPT_IN"}]}
    back = done(chosen, request(chosen, set(), {"red"}))
    assert (statuses(back), back["AttributesData"]) == ({"red": "OPT_IN"}, "{}")


def _json(text: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
