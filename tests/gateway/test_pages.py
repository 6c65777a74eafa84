"""People look, wait, approve: Chromium on a real gateway on a real Kafka."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from schemas.catalog import POLICIES, TABLES_COMMANDS
from schemas.ids import digest_of_bytes
from schemas.records import Autonomy, Phase, Policy
from streams.runtime.clock import monotonic
from streams.runtime.settings import Settings
from tests.support.gateway.browser import Person, browser, chromium
from tests.support.gateway.served import Served, token
from tests.support.gateway.world import ALPHA, CODEC, Kept, Tenant, write, write_journal
from tests.support.kafka.logs import send
from tests.support.kafka.running import Threaded, own_topics

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(
        chromium() is None, reason="no Chromium at MENDSTREAM_TEST_CHROMIUM or /usr/bin/chromium"
    ),
]
HOSTILE = "<img src=x onerror=\"document.title='broken in'\">"
OWNER = Tenant(ALPHA)
PAGES = {
    "/ui/now": "Now",
    "/ui/commands": "Commands",
    f"/ui/commands/{OWNER.id('pending')}": "rollback",
    "/ui/experiments": "Experiments",
    f"/ui/experiments/{ALPHA}%2Fbot/{OWNER.experiment}": OWNER.experiment,
    "/ui/search?q=checkout": "Search",
    "/docs": "The API",
}


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as made:
        write(made, [*OWNER.records(), hostile()])
        with ticking(made):
            yield made


@contextmanager
def ticking(settings: Settings) -> Iterator[None]:
    """Journal entries as a processor writes them, one a second and partition."""
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(1.0):
            write_journal(settings)

    write_journal(settings)
    thread = threading.Thread(target=tick, name="journal")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture(scope="module")
def gateway(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One where nobody is asked who he is, and no processor runs."""
    with Served(settings, tmp_path_factory.mktemp("views"), no_auth=True) as served:
        yield served


@pytest.fixture
def person(opened: Browser, gateway: Served) -> Iterator[Person]:
    with Person(opened, address(gateway)) as one:
        yield one


def address(served: Served) -> str:
    return f"http://127.0.0.1:{served.port}"


def hostile() -> Kept:
    """A command whose every word wants to be more than a word."""
    row = replace(
        OWNER.command_row("hostile", phase=Phase.ISSUED),
        reason=HOSTILE,
        target=HOSTILE,
        detail=HOSTILE,
        waits_for=HOSTILE,
        requested_by=HOSTILE,
    )
    return Kept(TABLES_COMMANDS, row.command_id, CODEC.encode(row), row.subject)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_itself_without_a_complaint(person: Person, path: str) -> None:
    person.open(path)
    expect(person.page.get_by_role("heading", level=1)).to_contain_text(PAGES[path])
    person.wait_gone("Loading")
    assert person.faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [*PAGES, "/ui/nowhere"])
def test_a_page_is_for_everybody(
    opened: Browser, gateway: Served, path: str, scheme: Literal["light", "dark"]
) -> None:
    """By axe-core: contrast, names, order of headings, and what else a program can tell."""
    with Person(opened, address(gateway), color_scheme=scheme) as one:
        one.open(path)
        one.wait_gone("Loading")
        found = Axe().run(one.page)
        assert found.violations_count == 0, found.generate_report()


def test_what_is_asked_before_an_approval_is_for_everybody(person: Person) -> None:
    person.open(f"/ui/commands/{OWNER.id('pending')}", "rollback")
    person.page.keyboard.press("a")
    expect(person.page.get_by_role("dialog")).to_contain_text("What is issued")
    found = Axe().run(person.page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize(
    "path", ["/ui/commands", f"/ui/commands/{OWNER.id('hostile')}", "/ui/search?q=onerror"]
)
def test_a_name_is_never_more_than_a_text(person: Person, path: str) -> None:
    person.open(path)
    expect(person.page.get_by_text(HOSTILE).first).to_be_visible()
    assert person.page.locator("main img").count() == 0
    assert person.page.title() == "Mendstream"
    assert person.faults == []


def test_without_authentication_every_page_says_so(person: Person) -> None:
    person.open("/ui/now")
    expect(person.page.get_by_role("alert")).to_contain_text("No authentication")


def test_a_change_is_on_the_screen_within_a_second_without_reloading(
    person: Person, settings: Settings
) -> None:
    person.open("/ui/commands")
    expect(person.page.locator("[data-status=live]")).to_be_visible()
    person.page.evaluate("window.same = true")
    row = OWNER.command_row("live", phase=Phase.PENDING_APPROVAL)
    changed = replace(row, reason="it has just come up", issued_at=9_999_999_999_999)
    write(settings, [Kept(TABLES_COMMANDS, row.command_id, CODEC.encode(changed), row.subject)])
    began = monotonic()
    person.page.get_by_text("it has just come up").wait_for()
    assert monotonic() - began < 1.0
    assert person.page.evaluate("window.same") is True


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
        with Person(opened, address(gateway), timezone_id=zone) as one:
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


@pytest.mark.parametrize("path", [path for path in PAGES if path.startswith("/ui")])
def test_a_page_fits_a_phone(opened: Browser, gateway: Served, path: str) -> None:
    with Person(opened, address(gateway), viewport={"width": 360, "height": 740}) as one:
        one.open(path)
        one.wait_gone("Loading")
        width = one.page.evaluate("document.scrollingElement.scrollWidth")
        assert width <= 360


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


def test_what_changed_since_it_was_looked_at_is_not_approved(
    person: Person, settings: Settings
) -> None:
    """The dialog stays, says so, and shows what waits now."""
    row = OWNER.command_row("changing")
    kept = Kept(TABLES_COMMANDS, row.command_id, CODEC.encode(row), row.subject)
    write(settings, [kept])
    person.page.wait_for_timeout(300)
    person.open(f"/ui/commands/{row.command_id}", "rollback")
    person.page.keyboard.press("a")
    expect(person.page.get_by_role("dialog")).to_contain_text(row.digest[:12])
    other = CODEC.encode(
        replace(CODEC.decode("RollbackCommand", row.command), reason="another content")
    )
    now = replace(row, command=other, digest=digest_of_bytes(other))
    write(settings, [replace(kept, value=CODEC.encode(now))])
    person.page.get_by_text(now.digest).first.wait_for()
    person.page.locator("[data-confirm]").click()
    dialog = person.page.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_contain_text("Look at what waits now")
    expect(dialog).to_contain_text(now.digest[:12])


def test_the_choice_of_a_theme_stays(opened: Browser, gateway: Served) -> None:
    with Person(opened, address(gateway), color_scheme="light") as one:
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


def _approved(opened: Browser, served: Served, bob: str) -> None:
    with Person(opened, address(served)) as one:
        one.page.goto("/ui/now")
        one.page.get_by_label("Token").fill("nonsense")
        one.page.get_by_role("button", name="Log in").click()
        expect(one.page.get_by_role("alert")).to_contain_text("No valid token")
        one.page.get_by_label("Token").fill(bob)
        one.page.get_by_role("button", name="Log in").click()
        one.page.get_by_role("link", name="deploy acme/shop/production").click()
        one.page.get_by_role("button", name="Approve…").click()
        dialog = one.page.get_by_role("dialog")
        expect(dialog).to_contain_text("v7")
        dialog.get_by_label("Why, in a sentence").fill("the canary was good")
        dialog.get_by_role("button", name="Approve").click()
        expect(one.page.get_by_text("Done: the command is issued.")).to_be_visible()
        expect(one.page.get_by_text("approve by bob")).to_be_visible()
        expect(one.page.get_by_text("the canary was good")).to_be_visible()


def _may_not(opened: Browser, served: Served, ann: str) -> None:
    """Who asked is told why he may not, before he tries."""
    body = {"kind": "RETRAIN", "subject": "acme/words"}
    served.call("POST", "/api/v1/commands", ann, body, {"Prefer": "wait=13"})
    with Person(opened, address(served)) as one:
        one.page.goto("/ui/now")
        one.page.get_by_label("Token").fill(ann)
        one.page.get_by_role("button", name="Log in").click()
        one.page.get_by_role("link", name="retrain acme/words/production").click()
        expect(one.page.get_by_role("button", name="Approve…")).to_be_disabled()
        expect(one.page.get_by_text("may not review it").first).to_be_visible()
