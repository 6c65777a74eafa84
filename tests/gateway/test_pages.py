"""People look, wait, approve: Chromium on a real gateway on a real Kafka."""

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Route, expect

from schemas.catalog import FAILURES, POLICIES, TABLES_COMMANDS
from schemas.ids import digest_of_bytes
from schemas.records import Autonomy, Phase, Policy
from streams.runtime.clock import monotonic, now_ms
from streams.runtime.settings import Settings
from tests.support.gateway.browser import NEEDED, Person
from tests.support.gateway.pages import lists
from tests.support.gateway.served import Served, token
from tests.support.gateway.world import ALPHA, CODEC, Kept, Tenant, write
from tests.support.kafka.logs import send
from tests.support.kafka.running import Threaded, own_topics
from tests.support.samples import sample

pytestmark = NEEDED
OWNER = Tenant(ALPHA)


def test_what_is_asked_before_an_approval_is_for_everybody(person: Person) -> None:
    person.open(f"/ui/commands/{OWNER.id('pending')}", "rollback")
    person.page.keyboard.press("a")
    expect(person.page.get_by_role("dialog")).to_contain_text("What is issued")
    found = Axe().run(person.page)
    assert found.violations_count == 0, found.generate_report()


def test_loading_failed_and_shown_look_different_and_failed_says_what_to_do(
    person: Person,
) -> None:
    held: list[Route] = []
    page, is_away = person.page, False
    problem = '{"detail": "It is away.", "remedy": "Wait.", "reason": "AWAY"}'

    def fail(route: Route) -> None:
        route.fulfill(status=500, content_type="application/problem+json", body=problem)

    def hold(route: Route) -> None:
        if is_away:
            fail(route)
        else:
            held.append(route)

    page.route("**/api/v1/decisions*", hold)
    person.open("/ui/decisions")
    expect(page.get_by_text("Loading decisions")).to_be_visible()
    is_away = True  # a page asks again once its socket is there
    for route in held:
        fail(route)
    expect(page.locator("main").get_by_role("alert")).to_contain_text("It is away. Wait.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    page.unroute("**/api/v1/decisions*")
    # At once, for the page may ask again by itself meanwhile, and then the button goes.
    page.evaluate(
        "() => [...document.querySelectorAll('button')]"
        ".find((one) => one.textContent === 'Try again')?.click()"
    )
    expect(page.get_by_role("table")).to_be_visible()


def test_what_is_empty_and_what_is_not_for_one_say_what_to_do(
    opened: Browser, watched: Settings, tmp_path: Path
) -> None:
    """Who may see a tenant that has nothing, page by page."""
    with Served(watched, tmp_path) as served, Person(opened, served.address) as one:
        login(one, token("ann", ("nobody",)))
        for path in lists():
            one.open(path)
            one.wait_gone("Loading")
            notes = one.page.locator("main .notice.empty, main .notice.forbidden")
            if path != "/ui/system":  # there are partitions, whoever looks
                expect(notes.first, path).to_be_visible()
        one.open("/ui/failure-patterns")
        expect(one.page.get_by_text("Not for you").first).to_be_visible()
        expect(one.page.get_by_text("Only a token whose tenants are").first).to_be_visible()


def test_without_authentication_every_page_says_so(person: Person) -> None:
    person.open("/ui/now")
    expect(person.page.get_by_role("alert")).to_contain_text("No authentication")


def test_a_change_is_on_the_screen_within_a_second_without_reloading(
    person: Person, watched: Settings
) -> None:
    person.open("/ui/commands")
    expect(person.page.locator("[data-status=live]")).to_be_visible()
    person.page.evaluate("window.same = true")
    row = OWNER.command_row("live", phase=Phase.PENDING_APPROVAL)
    changed = replace(row, reason="it has just come up", issued_at=9_999_999_999_999)
    write(watched, [Kept(TABLES_COMMANDS, row.command_id, CODEC.encode(changed), row.subject)])
    began = monotonic()
    person.page.get_by_text("it has just come up").wait_for()
    assert monotonic() - began < 1.0
    assert person.page.evaluate("window.same") is True


def test_the_link_of_an_alert_leads_to_its_row(person: Person) -> None:
    ident = OWNER.id("alert")
    person.open(f"/ui/alerts?state=ALL#{quote(ident, safe='')}")
    row = person.page.locator("tr.linked")
    expect(row).to_have_attribute("id", ident)
    expect(row).to_be_in_viewport()


def test_who_is_cut_off_is_told_that_it_is_old_and_comes_back(person: Person) -> None:
    person.open("/ui/now")
    expect(person.page.locator("[data-status=live]")).to_be_visible()
    person.context.set_offline(True)
    person.page.evaluate("dispatchEvent(new Event('offline'))")
    expect(person.page.locator("[data-status=stale]")).to_be_visible(timeout=40_000)
    expect(person.page.locator("main")).to_have_class("old")
    expect(person.page.get_by_role("heading", name="Now")).to_be_visible()
    person.context.set_offline(False)
    expect(person.page.locator("[data-status=stale]")).to_have_count(0, timeout=40_000)


def test_moments_are_of_one_zone_which_one_chooses(opened: Browser, gateway: Served) -> None:
    shown = {}
    for zone in ("Asia/Tokyo", "America/New_York"):
        with Person(opened, gateway.address, timezone_id=zone) as one:
            one.open(f"/ui/commands/{OWNER.id('pending')}")
            moments = one.page.locator("time").first
            utc = moments.get_attribute("title") or ""
            assert utc.endswith("UTC")
            one.page.get_by_role("button", name="UTC").click()
            expect(moments).not_to_have_attribute("title", utc)
            shown[zone] = moments.get_attribute("title") or ""
            assert "tz=local" in one.page.url, "a link shows a colleague the same"
    assert shown["Asia/Tokyo"].endswith("+09:00")
    assert re.search(r"-0[45]:00$", shown["America/New_York"])


def test_everything_is_done_by_keyboard(person: Person) -> None:
    page = person.page
    person.open("/ui/now")
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", level=1)).to_have_text("Commands")
    page.get_by_role("link", name="rollback").first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("rollback")
    person.open(f"/ui/commands/{OWNER.id('pending')}", "rollback")
    page.keyboard.press("a")
    expect(page.get_by_role("dialog")).to_contain_text("Approve")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("/")
    page.keyboard.type("checkout")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Search")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("next and previous row")


def test_the_queue_of_approvals_is_walked_by_keyboard(person: Person) -> None:
    page = person.page
    person.open("/ui/approvals")
    page.get_by_role("article").wait_for()
    chosen = [a.get_attribute("href") for a in page.locator("a[data-row][href*='?item=']").all()]
    assert len(chosen) >= 2
    for key in "jjk":
        page.keyboard.press(key)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{chosen[1]}")
    expect(page.get_by_role("article")).to_contain_text(f"2 of {len(chosen)}")


@pytest.mark.parametrize(("key", "heading"), [("m", "Models"), ("t", "Trust"), ("s", "System")])
def test_g_and_a_letter_lead_to_a_page(person: Person, key: str, heading: str) -> None:
    person.open("/ui/now")
    person.page.keyboard.press("g")
    person.page.keyboard.press(key)
    expect(person.page.get_by_role("heading", level=1)).to_have_text(heading)


def test_what_happens_comes_into_the_feed_unless_it_is_paused(
    person: Person, watched: Settings
) -> None:
    person.open("/ui/events?kind=failure")
    expect(person.page.locator("[data-status=live]")).to_be_visible()
    person.page.get_by_role("button", name="Pause").click()
    expect(person.page.get_by_role("button", name="Paused")).to_be_visible()
    write(watched, [failure("first", "while it was paused")])
    beside = person.context.new_page()
    beside.goto("/ui/events?kind=failure")
    expect(beside.locator("[data-status=live]")).to_be_visible()
    write(watched, [failure("second", "behind it")])
    expect(beside.get_by_text("behind it")).to_be_visible()
    expect(person.page.get_by_text("while it was paused")).to_have_count(0)
    person.page.get_by_role("button", name="Paused").click()
    write(watched, [failure("third", "when it goes on")])
    expect(person.page.get_by_text("when it goes on")).to_be_visible()
    expect(person.page.get_by_text("while it was paused")).to_be_visible()


def failure(what: str, risk: str) -> Kept:
    made = replace(
        sample("FailureAnalysis"),
        failure_id=OWNER.id(what),
        subject=OWNER.subject,
        risk=risk,
        analysed_at=now_ms(),
    )
    return Kept(FAILURES, OWNER.subject, CODEC.encode(made), OWNER.subject)


def test_going_from_page_to_page_does_not_lose_the_socket(person: Person) -> None:
    """Which says ten things in a second at most, and pages follow up to six views each."""
    closed: list[object] = []
    person.page.on("websocket", lambda one: one.on("close", lambda it: closed.append(it)))
    person.open("/ui/now")
    expect(person.page.locator("[data-status=live]")).to_be_visible()
    person.page.evaluate(
        """path => { for (const to of [path, "/ui/trust", "/ui/events", path, "/ui/insights"]) {
          history.pushState(null, "", to); dispatchEvent(new PopStateEvent("popstate")); } }""",
        f"/ui/models/{ALPHA}%2Fbot",
    )
    for key in "mtvipfc":
        person.page.keyboard.press("g")
        person.page.keyboard.press(key)
    person.page.get_by_role("heading", name="Commands").wait_for()
    person.page.locator("[data-row]").first.wait_for()
    person.page.keyboard.press("Enter")
    expect(person.page.locator("[data-status=live]")).to_be_visible()
    assert closed == []


def test_who_may_not_freeze_sees_why_before_he_tries(
    opened: Browser, watched: Settings, tmp_path: Path
) -> None:
    with Served(watched, tmp_path) as served, Person(opened, served.address) as one:
        login(one, token("ann", (ALPHA,), scope="read"))
        one.open("/ui/policies")
        expect(one.page.get_by_role("button", name="Freeze")).to_be_disabled()
        expect(one.page.get_by_text("does not name the scope order").first).to_be_visible()


def test_what_changed_since_it_was_looked_at_is_not_approved(
    person: Person, watched: Settings
) -> None:
    """The dialog stays, says so, and shows what waits now."""
    row = OWNER.command_row("changing")
    kept = Kept(TABLES_COMMANDS, row.command_id, CODEC.encode(row), row.subject)
    write(watched, [kept])
    person.page.wait_for_timeout(300)
    person.open(f"/ui/commands/{row.command_id}", "rollback")
    person.page.keyboard.press("a")
    expect(person.page.get_by_role("dialog")).to_contain_text(row.digest[:12])
    other = CODEC.encode(
        replace(CODEC.decode("RollbackCommand", row.command), reason="another content")
    )
    now = replace(row, command=other, digest=digest_of_bytes(other))
    write(watched, [replace(kept, value=CODEC.encode(now))])
    person.page.get_by_text(now.digest).first.wait_for()
    person.page.locator("[data-confirm]").click()
    dialog = person.page.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_contain_text("Look at what waits now")
    expect(dialog).to_contain_text(now.digest[:12])


def test_the_choice_of_a_theme_stays(opened: Browser, gateway: Served) -> None:
    with Person(opened, gateway.address, color_scheme="light") as one:
        one.open("/ui/now")
        light = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
        one.page.get_by_role("button", name="Theme: auto").click()
        dark = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert light != dark
        one.open("/ui/commands")
        assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_a_person_logs_in_and_approves_what_another_asked_for(
    kafka: str, opened: Browser, tmp_path: Path
) -> None:
    """From the list of what waits to the issued command, with a real processor behind it."""
    with own_topics(kafka) as settings:
        policy = Policy(event_id="p", policy_id="all", deploy=Autonomy.APPROVE)
        send(settings, POLICIES, [policy], ["all"])
        with Threaded(settings) as worker, Served(settings, tmp_path) as served:
            worker.until(lambda: worker.ready)
            body = {"kind": "DEPLOY", "subject": "acme/shop", "to_version": "v7"}
            ann, waits = token("ann", ("acme",)), {"Prefer": "wait=13"}
            asked = served.call("POST", "/api/v1/commands", ann, body, waits)
            assert asked.json["command"]["phase"] == "PENDING_APPROVAL", asked.body
            _approved(opened, served, token("bob", ("acme",)))
            shown = served.call("GET", f"/api/v1/commands/{asked.json['command_id']}", ann).json
            assert (shown["item"]["phase"], shown["item"]["approved_by"]) == ("ISSUED", "bob")
            _may_not(opened, served, ann)


def login(one: Person, mine: str) -> None:
    one.page.goto("/ui/now")
    one.page.get_by_label("Token").fill(mine)
    one.page.get_by_role("button", name="Log in").click()
    one.page.get_by_role("heading", name="Now").wait_for()


def tab_to(one: Person, what: str) -> None:
    """Presses Tab until an element has the focus."""
    for _ in range(40):
        if one.page.evaluate("what => document.activeElement.matches(what)", what):
            return
        one.page.keyboard.press("Tab")
    raise AssertionError(f"no way by Tab to {what}")


def _approved(opened: Browser, served: Served, bob: str) -> None:
    """By the keyboard alone."""
    with Person(opened, served.address) as one:
        keys = one.page.keyboard
        one.page.goto("/ui/now")
        one.page.get_by_label("Token").wait_for()
        tab_to(one, "#token")
        keys.type("nonsense")
        keys.press("Enter")
        expect(one.page.get_by_role("alert")).to_contain_text("No valid token")
        keys.press("Control+A")
        keys.type(bob)
        keys.press("Enter")
        one.page.get_by_role("link", name="deploy acme/shop/production").wait_for()
        keys.press("g")
        keys.press("a")
        expect(one.page.get_by_role("heading", name="deploy acme/shop/production")).to_be_visible()
        expect(one.page.get_by_role("article")).to_contain_text("v7")
        one.page.get_by_role("button", name="Approve…").wait_for()
        keys.press("a")
        dialog = one.page.get_by_role("dialog")
        expect(dialog).to_contain_text("v7")
        tab_to(one, "#comment")
        keys.type("the canary was good")
        tab_to(one, "[data-confirm]:enabled")
        keys.press("Enter")
        expect(one.page.get_by_text("Done: the command is issued.")).to_be_visible()
        one.page.get_by_role("link", name="Its whole life").click()
        expect(one.page.get_by_text("approve by bob")).to_be_visible()
        expect(one.page.get_by_text("the canary was good")).to_be_visible()


def _may_not(opened: Browser, served: Served, ann: str) -> None:
    """Who asked is told why he may not, before he tries."""
    body = {"kind": "RETRAIN", "subject": "acme/words"}
    served.call("POST", "/api/v1/commands", ann, body, {"Prefer": "wait=13"})
    with Person(opened, served.address) as one:
        login(one, ann)
        one.page.get_by_role("link", name="retrain acme/words/production").click()
        expect(one.page.get_by_role("button", name="Approve…")).to_be_disabled()
        expect(one.page.get_by_text("may not review it").first).to_be_visible()
