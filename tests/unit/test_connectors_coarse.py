"""One answer for a target that knows no pairs: every doubt is a denial."""

from __future__ import annotations

import pytest

from connectors.coarse import DENIED, FOR_EVER, Rounded, Scope, rounded, together
from connectors.protocol import Contact, Verdict
from connectors.testing import CALLS, MAILS, NOW_MS, TEXTS, a_change, a_verdict, email, phone
from noli.domain.reason import OPERATOR_GUARANTEED

SCOPE = Scope(*CALLS)
RED, OTHERS = (*CALLS[:2], "red"), (*CALLS[:2], "")
YES, NO = a_verdict(CALLS, allowed=True), a_verdict(CALLS)
RED_YES, RED_NO = a_verdict(RED, allowed=True), a_verdict(RED)


@pytest.mark.parametrize(
    "verdicts, expected",
    [
        ([YES], Rounded(FOR_EVER)),
        ([NO], Rounded(DENIED)),
        ([a_verdict(CALLS, allowed=True, until=NOW_MS)], Rounded(NOW_MS)),
        ([YES, a_verdict(RED, allowed=True, until=NOW_MS)], Rounded(NOW_MS)),
        ([a_verdict(TEXTS, allowed=True)], Rounded(DENIED)),
        ([YES, RED_NO], Rounded(DENIED, "rounded_to_number")),
        ([NO, RED_YES], Rounded(DENIED, "rounded_to_number")),
        ([NO, RED_NO], Rounded(DENIED)),
    ],
)
def test_a_target_of_all_brands_needs_all_of_them(
    verdicts: list[Verdict], expected: Rounded
) -> None:
    """The soonest end counts; a denial among allowances is told as rounding."""
    assert rounded(a_change(None, 1, *verdicts), SCOPE) == expected


@pytest.mark.parametrize(
    "verdicts, expected",
    [
        ([NO, RED_YES], FOR_EVER),
        ([YES, RED_NO], DENIED),
        ([YES], FOR_EVER),
        ([YES, a_verdict(OTHERS)], DENIED),
        ([a_verdict(TEXTS, allowed=True)], DENIED),
    ],
)
def test_a_target_of_one_brand_is_exact(verdicts: list[Verdict], expected: int) -> None:
    """Its own verdict, then that of brands not named, then that of all; without a note."""
    found = rounded(a_change(None, 1, *verdicts), SCOPE._replace(brand="red"))
    assert found == Rounded(expected)


@pytest.mark.parametrize(
    "pair, conditions, expected",
    [
        (CALLS, (OPERATOR_GUARANTEED,), FOR_EVER),
        (("automated_call", "marketing", "*"), (OPERATOR_GUARANTEED,), DENIED),
        (CALLS, ("something_newer",), DENIED),
        (CALLS, (OPERATOR_GUARANTEED, "something_newer"), DENIED),
    ],
)
def test_a_condition_that_a_target_cannot_keep_denies(
    pair: tuple[str, str, str], conditions: tuple[str, ...], expected: int
) -> None:
    """An operator's calls are guaranteed an operator; nothing else is kept by itself."""
    bound = Verdict(*pair, True, (), conditions)
    assert rounded(a_change(None, 1, bound), Scope(*pair)).until == expected


def test_a_mail_address_is_rounded_as_such() -> None:
    """The note says what the target knows."""
    verdicts = a_verdict(MAILS, allowed=True), a_verdict((*MAILS[:2], "red"))
    change = a_change(None, 1, *verdicts, contact=email(1))
    assert rounded(change, Scope(*MAILS)).note == "rounded_to_address"


@pytest.mark.rule("OBJECT")
def test_of_two_changes_of_one_contact_the_denial_counts() -> None:
    """Whichever comes first; who cannot be named is left out."""

    def name(contact: Contact | None) -> str | None:
        return contact.value if contact else None

    yes, no = (a_change(None, 1, verdict, contact=phone(1)) for verdict in (YES, NO))
    for changes in ((yes, no), (no, yes), (yes, no, a_change(None, 1, contact=None))):
        assert together(changes, SCOPE, name) == {phone(1).value: Rounded(DENIED)}
