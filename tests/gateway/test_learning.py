"""What is told of recommendations: lessons with who took part in them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from schemas.catalog import TABLES_LESSONS
from schemas.records import LessonCategory, LessonRow
from state.storage.table import row_key
from streams.runtime.settings import Settings
from tests.support.gateway.asking import someone
from tests.support.gateway.browser import Person, chromium
from tests.support.gateway.served import Served
from tests.support.gateway.world import ALPHA, CODEC, Kept, Tenant, write, write_journal
from tests.support.kafka.running import own_topics
from tests.support.samples import sample

pytestmark = pytest.mark.kafka
OWNER = Tenant(ALPHA)
LESSONS = "/api/v1/learning/patterns"
SINCE = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC


def lesson(name: str, **fields: Any) -> Kept:
    given: dict[str, Any] = {
        "tenant": ALPHA,
        "category": LessonCategory.CONSENSUS,
        "name": name,
        "outcomes": 20,
        "approved": 15.0,
        "agents": (f"{ALPHA}/first", OWNER.agent),
        "lower": 0.55,
        "first_at": SINCE,
        "confirmed_at": SINCE + 1_000,
    }
    row = replace(cast(LessonRow, sample("LessonRow")), **(given | fields))
    return Kept(TABLES_LESSONS, row_key(ALPHA, row.category, name), CODEC.encode(row), ALPHA)


@pytest.fixture(scope="module")
def topics(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as settings:
        older = lesson("older", agents=(), lower=None, first_at=-1)
        write(settings, [*OWNER.records(), lesson("of two"), older])
        write_journal(settings)
        yield settings


def test_a_lesson_tells_who_took_part_how_sure_it_is_and_since_when(
    topics: Settings, tmp_path: Path
) -> None:
    with Served(topics, tmp_path) as gateway:
        page = gateway.call("GET", LESSONS, someone((ALPHA,))).json
    rows = {row["pattern_name"]: row for row in page["items"]}
    wanted = {
        "category": "CONSENSUS",
        "success_rate": 0.75,
        "confidence": 0.55,
        "agents": [f"{ALPHA}/first", OWNER.agent],
        "participating_agents": 2,
        "first_seen": "2026-09-21T14:13:20.000Z",
        "last_confirmed": "2026-09-21T14:13:21.000Z",
    }
    assert {name: rows["of two"][name] for name in wanted} == wanted
    unknown = ("first_seen", "confidence", "agents")
    assert [rows["older"][name] for name in unknown] == [None, None, []]


@pytest.mark.skipif(chromium() is None, reason="no Chromium")
def test_the_page_of_lessons_leads_to_the_agents_that_took_part(
    opened: Browser, topics: Settings, tmp_path: Path
) -> None:
    with (
        Served(topics, tmp_path, no_auth=True) as gateway,
        Person(opened, gateway.address) as person,
    ):
        person.open("/ui/lessons")
        row = person.page.get_by_role("row").filter(has_text="of two")
        expect(row).to_contain_text("75 %")
        expect(row).to_contain_text("55 %")
        expect(row).to_contain_text("2026-09-21 14:13")
        expect(row.get_by_role("link")).to_have_text([OWNER.agent, f"{ALPHA}/first"])
        row.get_by_role("link", name=OWNER.agent).click()
        expect(person.page).to_have_url(f"{person.address}/ui/trust/{quote(OWNER.agent, safe='')}")
        assert person.faults == []
