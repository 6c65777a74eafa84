"""What holds for every page: the table of pages is walked, so that a new one is in by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.support.gateway.browser import NEEDED, Person
from tests.support.gateway.pages import HOSTILE, address, lists, table
from tests.support.gateway.served import Served
from tests.support.gateway.world import Tenant

pytestmark = NEEDED
INTRUDER = Tenant(HOSTILE)
PAGES = [*table()]
# What axe-core looks for; in the dark nothing is otherwise but colours.
SCHEMES: tuple[tuple[Literal["light", "dark"], dict[str, list[str]]], ...] = (
    ("light", {}),
    ("dark", {"runOnly": ["color-contrast"]}),
)


@dataclass(slots=True)
class Look:
    """What was seen of one page. complaints: of axe-core, by colour scheme."""

    heading: str = ""
    text: str = ""
    title: str = ""
    images: int = 0
    refusals: int = 0
    width: int = 0
    faults: list[str] = field(default_factory=list)
    complaints: dict[str, str] = field(default_factory=dict)
    exports: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def looks(opened: Browser, gateway: Served) -> Mapping[str, Look]:
    """Each page of the table once: as it opens, in light and dark, and on a phone."""
    found = {}
    with Person(opened, gateway.address, reduced_motion="reduce") as one:
        for path in [*PAGES, "/docs", "/ui/nowhere"]:
            one.faults.clear()
            found[path] = look(one, path)
            found[path].faults = list(one.faults)
    return found


def look(one: Person, path: str) -> Look:
    page, seen = one.page, Look()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(color_scheme="light")
    one.open(address(path, INTRUDER))
    one.wait_gone("Loading")
    main = page.locator("main")
    seen.heading = page.get_by_role("heading", level=1).inner_text()
    seen.text, seen.title = main.inner_text(), page.title()
    seen.images = main.locator("img").count()
    seen.refusals = main.locator("[role=alert]").count()
    seen.exports = [a.get_attribute("href") or "" for a in main.locator("a[download]").all()]
    for scheme, rules in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        told = Axe().run(page, options=rules)
        seen.complaints[scheme] = told.generate_report() if told.violations_count else ""
    page.set_viewport_size({"width": 360, "height": 740})
    seen.width = page.evaluate("document.scrollingElement.scrollWidth")
    return seen


def test_the_table_that_is_walked_is_the_one_that_the_browser_has(person: Person) -> None:
    person.open("/ui/now")
    script = """async () => {
      const app = document.querySelector("script[type=module]").src;
      const { PAGES } = await import(app.replace(/app\\.js$/, "pages.js"));
      return PAGES.map(({ path }) => path);
    }"""
    assert person.page.evaluate(script) == PAGES


@pytest.mark.parametrize("path", [*PAGES, "/docs"])
def test_a_page_shows_itself_without_a_complaint(looks: Mapping[str, Look], path: str) -> None:
    assert looks[path].heading
    assert looks[path].refusals == 0, looks[path].text
    assert looks[path].faults == []


@pytest.mark.parametrize("path", [*PAGES, "/docs", "/ui/nowhere"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_for_everybody(looks: Mapping[str, Look], path: str, scheme: str) -> None:
    """By axe-core: contrast, names, order of headings, and what else a program can tell."""
    assert looks[path].complaints[scheme] == ""


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_a_phone(looks: Mapping[str, Look], path: str) -> None:
    assert looks[path].width <= 360


@pytest.mark.parametrize("path", PAGES)
def test_a_name_is_never_more_than_a_text(looks: Mapping[str, Look], path: str) -> None:
    assert HOSTILE in looks[path].text, "the page shows none of the names that it is to withstand"
    assert looks[path].images == 0
    assert looks[path].title == "Mendstream"


@pytest.mark.parametrize("path", lists())
def test_what_a_page_lists_is_exported(
    looks: Mapping[str, Look], gateway: Served, path: str
) -> None:
    assert looks[path].exports
    for href in looks[path].exports:
        answer = gateway.call("GET", href)
        assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, "text/csv")
        assert answer.body.count(b"\r\n") > 1, "a head and rows"
