"""The status page in a real Chromium: what people see, on a desk and a phone, by day and night."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from noli.board.known import OVERALL
from noli.runtime.clock import now_ms
from tests.support.board import Log, alignment, attempt, campaign, canary, held, two, wrong
from tests.support.browser import (
    CHROMIUM,
    DESKTOP,
    PHONE,
    LiveBoard,
    Watched,
    chromium,
    visit,
)
from tests.support.law import ACME
from tests.support.lines import Shelf, found

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian: apt install chromium)"),
    pytest.mark.timeout(300),
]

SIZES = {"desktop": DESKTOP, "phone": PHONE}
ROME = "Europe/Rome"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium; each test has a profile of its own."""
    with chromium() as found:
        yield found


def company(now: int) -> Log:
    """Two applications, one of which fails; a canary, two campaigns, a record in quarantine."""
    log = two(now)
    log.align(
        alignment(
            "dialer", now, as_of=now - 90_000, held_by=[held("wrong", now - 90_000, 3)],
            attempts=[attempt(at=now - 95_000), attempt("retried", now, reason="http_503")],
            pending=1_200, last_error="http_503", next_try=now + 60_000, wrong=[wrong()],
        )
    )  # fmt: skip
    log.probe(canary("crm", at=now, last_ok=now))
    log.probe(canary("dialer", at=now, last_ok=now, phase="lost", lost=1, missing="receipt"))
    log.count(campaign("winter"))
    log.count(campaign("gas", attended=90, silent=10, over=True, over_since=now))
    log.quarantine(now - 60_000)
    return log


@pytest.fixture
def board(tmp_path: Path) -> Iterator[LiveBoard]:
    """A board of that company, that asks for no key."""
    live = LiveBoard(tmp_path, company(now_ms()), archive=Shelf(found()))
    yield live
    live.stop()


def aligned(board: LiveBoard) -> None:
    """Both applications and all together are aligned, now."""
    log, at = Log(), now_ms()
    board.say(*(log.align(alignment(app, at)) for app in ("crm", "dialer", OVERALL)))


def check_sound(watched: Watched, url: str) -> None:
    """No rule of axe-core is broken, nothing was complained of, nobody else was asked."""
    assert watched.violations() == []
    assert watched.complaints == []
    assert watched.asked == {url.removeprefix("http://")}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", ["/", "/apps/dialer"])
def test_the_pages_are_sound_for_everybody(
    browser: Browser, board: LiveBoard, path: str, size: str, scheme: str
) -> None:
    """Axe-core is content, the console silent, no other host asked, nothing sticks out sideways."""
    with visit(browser, board.url + path, SIZES[size], color_scheme=scheme) as watched:
        expect(watched.page.locator("#content")).to_be_visible()
        expect(watched.page.get_by_text("http_503").first).to_be_visible()
        check_sound(watched, board.url)
        wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert watched.page.evaluate(wide)


def test_axe_would_tell(browser: Browser, board: LiveBoard) -> None:
    """The check can fail: a picture without words and grey on grey are found, by name."""
    with visit(browser, board.url) as watched:
        watched.page.evaluate(
            "document.querySelector('.bottom').append(document.createElement('img'));"
            "document.querySelector('#pulse').style.color = '#dddddd'"
        )
        found = " ".join(watched.violations())
        assert "image-alt" in found
        assert "color-contrast" in found


def test_the_board_is_read_at_a_glance(browser: Browser, board: LiveBoard) -> None:
    """One number with its age, words and shapes for states, why, what was sent, what came back."""
    with visit(browser, board.url, timezone_id=ROME) as watched:
        page = watched.page
        expect(page.locator("#verdict")).to_contain_text("1 of 2 not aligned")
        row = page.locator("#apps").get_by_role("row", name="dialer")
        expect(row).to_contain_text("held back")
        expect(row).to_contain_text("3 verdicts it does not hold")
        expect(row).to_contain_text("not taken: http_503, 34 ms; again in")
        expect(row).to_contain_text("12 sent")
        assert row.locator("svg.shape use").get_attribute("href") == "#s-held"
        expect(page.locator("#quarantine")).to_contain_text("1record waits for a human")
        expect(page.locator("#campaigns")).to_contain_text("stopped since")
        expect(page.locator("#canaries")).to_contain_text("arrived")
        expect(page.locator("#canaries")).to_contain_text("lost: not confirmed")
        aligned(board)
        expect(page.locator("#verdict")).to_have_text("All applications aligned as of")
        expect(page.locator("#age")).to_have_text("2 s ago")
        expect(page).to_have_title("Aligned · Noli")
        expect(page.locator("#say")).to_have_text("All applications are aligned.")


def test_times_are_the_readers_with_utc_at_hand(browser: Browser, board: LiveBoard) -> None:
    """In their zone, UTC beside it; one press shows UTC everywhere, and is remembered."""
    aligned(board)
    with visit(browser, board.url, timezone_id="Asia/Tokyo") as watched:
        page = watched.page
        expect(page.locator("#other-zone")).to_contain_text("Asia/Tokyo")
        utc = page.get_by_role("button", name="UTC")
        expect(utc).to_have_attribute("aria-pressed", "false")
        utc.click()
        expect(page.locator("#other-zone")).to_contain_text("UTC ·")
        page.reload()
        assert page.evaluate("localStorage.getItem('noli.zone')") == "utc"
        expect(page.get_by_role("button", name="UTC")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#other-zone")).to_contain_text("UTC ·")


def test_news_arrive_by_themselves(browser: Browser, board: LiveBoard) -> None:
    """A new word of the watcher is on the page without a reload; so is a new application."""
    with visit(browser, board.url) as watched:
        page = watched.page
        expect(page.locator("#apps").get_by_role("row", name="dialer")).to_contain_text("held back")
        page.evaluate("window.kept = true")
        aligned(board)
        expect(page.locator("#apps").get_by_role("row", name="dialer")).to_contain_text("aligned")
        board.say(Log().act("newcomer"))
        expect(page.locator("#apps").get_by_role("row", name="newcomer")).to_contain_text(
            "not known"
        )
        expect(page.locator("#verdict")).to_contain_text("1 of 3 not aligned")
        assert page.evaluate("window.kept")


def test_a_silent_watcher_is_told_loudly(browser: Browser, tmp_path: Path) -> None:
    """Its last word is history ten seconds later: nothing is green, and the page says whose."""
    board = LiveBoard(tmp_path, two(now_ms() - 9_000))
    try:
        with visit(browser, board.url) as watched:
            page = watched.page
            expect(page.locator("#verdict")).to_contain_text(
                "The watcher is silent.", timeout=15_000
            )
            expect(page.locator("#holders")).to_contain_text("The watcher was last heard at")
            for app in ("crm", "dialer"):
                row = page.locator("#apps").get_by_role("row", name=app)
                expect(row).to_contain_text("silent")
            assert page.locator('.board tr[data-state="aligned"]').count() == 0
    finally:
        board.stop()


@pytest.mark.parametrize("path", ["/", "/apps/crm"])
def test_a_lost_connection_is_told_loudly(browser: Browser, board: LiveBoard, path: str) -> None:
    """No green is left: an alarm says when it was last seen, the title too; it comes back alone."""
    aligned(board)
    with visit(browser, board.url + path) as watched:
        page = watched.page
        page.clock.install()
        page.reload()
        expect(page.locator("body")).to_have_attribute("data-verdict", "good")
        board.stop()
        page.clock.fast_forward(20_000)
        alarm = page.get_by_role("alert")
        expect(alarm).to_contain_text("Connection lost. Last seen")
        expect(page).to_have_title("Connection lost · Noli")
        expect(page.locator("body")).to_have_attribute("data-verdict", "lost")
        expect(page.locator("#headline")).to_contain_text("hen last seen")
        if path == "/":
            expect(page.locator("#apps").get_by_role("row", name="crm").first).to_contain_text(
                "was aligned"
            )
        assert watched.page.locator("#lost").is_visible()


def test_everything_is_reached_by_keyboard(browser: Browser, board: LiveBoard) -> None:
    """First a way past the frame, then the links and buttons in order; focus is always seen."""
    with visit(browser, board.url) as watched:
        page = watched.page
        expect(page.locator("#apps").get_by_role("row", name="dialer")).to_be_visible()
        walked = []
        for _ in range(8):
            page.keyboard.press("Tab")
            walked.append(page.evaluate("document.activeElement.textContent.trim()"))
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert page.evaluate(outline) == "solid"
        assert walked[:2] == ["To the content", "Noli"]
        assert walked[-3:] == ["dialer", "crm", "HTTP interface"]
        page.get_by_role("link", name="dialer").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#name")).to_have_text("dialer")


def test_focus_stays_while_the_board_moves(browser: Browser, board: LiveBoard) -> None:
    """Whoever stands on an application stays there when its row is drawn anew."""
    with visit(browser, board.url) as watched:
        page = watched.page
        page.get_by_role("link", name="crm").focus()
        aligned(board)
        expect(page.locator("#apps").get_by_role("row", name="dialer")).to_contain_text("aligned")
        assert page.evaluate("document.activeElement.textContent") == "crm"


def test_nothing_moves_for_who_wants_no_motion(browser: Browser, board: LiveBoard) -> None:
    """The flaps turn, and do not where reduced motion is asked for."""
    for motion, name in (("no-preference", "turn"), ("reduce", "none")):
        with visit(browser, board.url, reduced_motion=motion) as watched:
            expect(watched.page.locator("#clock")).to_contain_text(":")
            aligned(board)
            watched.page.locator(".turned").first.wait_for()
            style = "getComputedStyle(document.querySelector('.turned')).animationName"
            assert watched.page.evaluate(style) == name


def test_the_page_of_an_application_tells_its_attempts(browser: Browser, board: LiveBoard) -> None:
    """What was sent, what came back, when it is tried again; the verdicts it does not hold."""
    with visit(browser, board.url + "/apps/dialer") as watched:
        page = watched.page
        expect(page.locator("#attempts")).to_contain_text("not taken: http_503")
        expect(page.locator("#attempts")).to_contain_text("taken")
        expect(page.locator("#next-try")).to_contain_text("It is tried again in")
        expect(page.locator("#wrong")).to_contain_text("drifted")
        expect(page.locator("#facts")).to_contain_text("1,200")
        aligned(board)
        expect(page.locator("#state")).to_have_text("aligned as of")
        assert watched.complaints == []
    with visit(browser, board.url + "/apps/nobody") as watched:
        expect(watched.page.locator("#state")).to_contain_text("there are: crm, dialer")


def test_signing_in_needs_a_key_that_may(browser: Browser, tmp_path: Path) -> None:
    """Nothing is shown before; a wrong key is told; afterwards no script holds the key."""
    board = LiveBoard(tmp_path, company(now_ms()), open_=False)
    try:
        with visit(browser, board.url) as watched:
            page = watched.page
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
            expect(page.locator("#content")).to_be_hidden()
            check_sound(watched, board.url)
            page.get_by_label("API key").fill(board.keys["decisions:read"])
            page.get_by_role("button", name="Sign in").click()
            expect(page.locator("#sign-in-error")).to_contain_text("lacks the scope")
            page.get_by_label("API key").fill(board.keys["evidence:read"])
            page.keyboard.press("Enter")
            expect(page.locator("#apps").get_by_role("row", name="crm").first).to_be_visible()
            assert page.get_by_label("API key").input_value() == ""
            assert page.evaluate("document.cookie") == ""
            page.reload()
            expect(page.locator("#apps").get_by_role("row", name="crm").first).to_be_visible()
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    finally:
        board.stop()


def asked(watched: Watched, key: str) -> Page:
    """The contact was asked about on its page."""
    page = watched.page
    page.get_by_label("Controller").fill(ACME)
    page.get_by_label("Contact").fill("333 1234567")
    page.locator("#key").fill(key)
    page.get_by_role("button", name="Show").click()
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_a_contacts_line_is_sound_for_everybody(
    browser: Browser, board: LiveBoard, size: str, scheme: str
) -> None:
    """Before and after asking: axe-core content, console silent, nothing sticks out sideways."""
    url = board.url + "/contact"
    with visit(browser, url, SIZES[size], color_scheme=scheme) as watched:
        check_sound(watched, board.url)
        page = asked(watched, board.keys["evidence:read"])
        expect(page.locator(".rail").first).to_be_visible()
        check_sound(watched, board.url)
        wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert page.evaluate(wide)


@pytest.mark.rule("EVIDENCE")
def test_a_contacts_line_tells_facts_verdicts_and_who_confirmed(
    browser: Browser, board: LiveBoard
) -> None:
    """In order, by days; focus goes to the answer; nothing of it is in the address or stored."""
    with visit(browser, board.url + "/contact", timezone_id=ROME) as watched:
        page = asked(watched, board.keys["evidence:read"])
        expect(page.locator("#now")).to_contain_text("denied")
        rail = page.locator("#line")
        expect(rail).to_contain_text("consent given")
        expect(rail).to_contain_text("From here allowed for marketing")
        expect(rail).to_contain_text("crm confirmed")
        expect(rail).to_contain_text("profiling performed: for cluster")
        expect(rail).to_contain_text("The person objected.")
        expect(page.locator("#searched")).to_contain_text("All receipts since the first")
        assert page.evaluate("document.activeElement.id") == "now-title"
        assert page.url == board.url + "/contact"
        assert page.evaluate("JSON.stringify(localStorage) + document.cookie") == "{}"
        assert watched.complaints == []


def test_who_may_not_ask_about_a_contact_is_told_why(browser: Browser, board: LiveBoard) -> None:
    """A key without the scope, a contact that cannot be read: said beside the form."""
    with visit(browser, board.url + "/contact") as watched:
        page = asked(watched, board.keys["admin"])
        expect(page.get_by_role("alert")).to_contain_text("lacks the scope evidence:read")
        page.get_by_label("Contact").fill("12")
        page.locator("#key").fill(board.keys["evidence:read"])
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("contact.value: give a number")
        assert page.locator("#found").is_hidden()
