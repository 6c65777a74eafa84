"""What is told of recommendations: lessons with who took part in them, days of agents."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from schemas.catalog import TABLES_AGENT_DAYS, TABLES_COMMANDS, TABLES_LESSONS, TABLES_TRUST
from schemas.records import (
    AgentDayRow,
    LessonCategory,
    LessonRow,
    Phase,
    RequestPriority,
    TrustRow,
)
from state.storage.table import day_of, row_key
from streams.runtime.settings import Settings
from tests.support.gateway.asking import someone
from tests.support.gateway.browser import Person, chromium
from tests.support.gateway.served import Served
from tests.support.gateway.world import (
    ALPHA,
    CODEC,
    DAY,
    Kept,
    Tenant,
    write,
    write_journal,
)
from tests.support.kafka.running import own_topics
from tests.support.samples import sample

pytestmark = pytest.mark.kafka
OWNER = Tenant(ALPHA)
LESSONS = "/api/v1/learning/patterns"
AGENT = f"/api/v1/learning/agents/{quote(OWNER.agent, safe='')}"
DAY_MS = 86_400_000
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


def day(ago: int, **counts: Any) -> Kept:
    """A day of the agent, so many days ago."""
    given: dict[str, Any] = dict.fromkeys(("tracked", "approved", "partial", "rejected"), 0)
    given |= {"confidence": 0.0, "quality": 0.0} | counts
    row = AgentDayRow(agent_id=OWNER.agent, day=DAY - ago * DAY_MS, **given)
    key = row_key(OWNER.agent, day_of(row.day))
    return Kept(TABLES_AGENT_DAYS, key, CODEC.encode(row), OWNER.subject)


DAYS = (
    day(0, tracked=2, confidence=1.5),
    day(1, tracked=4, confidence=2.0, approved=3, partial=1, rejected=0, quality=3.5),
    day(6, approved=0, rejected=4, quality=0.5),
    day(7, tracked=100, approved=100, confidence=100.0, quality=100.0),
)


@pytest.fixture(scope="module")
def topics(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as settings:
        older = lesson("older", agents=(), lower=None, first_at=-1)
        trust = replace(cast(TrustRow, sample("TrustRow")), agent_id=OWNER.agent, overall=0.7)
        trusted = Kept(TABLES_TRUST, row_key(OWNER.agent), CODEC.encode(trust), OWNER.subject)
        write(settings, [*OWNER.records(), trusted, lesson("of two"), older, *DAYS])
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


def test_metrics_of_an_agent_are_those_of_the_window_together_and_day_by_day(
    topics: Settings, tmp_path: Path
) -> None:
    with Served(topics, tmp_path) as gateway:
        answer = gateway.call("GET", f"{AGENT}/metrics?window=7", someone((ALPHA,)))
        item = answer.json["item"]
        again = {"If-None-Match": answer.headers["etag"]}
        same = gateway.call("GET", f"{AGENT}/metrics?window=7", someone((ALPHA,)), headers=again)
        longer = gateway.call("GET", f"{AGENT}/metrics?window=8", someone((ALPHA,))).json["item"]
    series = item.pop("series")
    assert item == {
        "agent_id": OWNER.agent,
        "window": 7,
        "bucket": "day",
        "total": 6,
        "approved": 3,
        "rejected": 4,
        "partial": 1,
        "approval_rate": 3 / 8,
        "avg_confidence": 3.5 / 6,
        "avg_quality": 4.0 / 8,
        "strength": "strong",
    }
    assert [one["tracked"] for one in series] == [0, 0, 0, 0, 0, 4, 2]
    assert [one["approval_rate"] for one in series] == [0.0, None, None, None, None, 0.75, None]
    assert series[-1]["day"] == f"{day_of(DAY)}T00:00:00.000Z"
    assert (longer["total"], len(longer["series"])) == (106, 8)
    assert same.status == 304


def test_days_of_an_agent_come_page_by_page_and_as_csv(topics: Settings, tmp_path: Path) -> None:
    with Served(topics, tmp_path) as gateway:
        items, after = list[dict[str, Any]](), ""
        while True:
            asked = f"{AGENT}/days?limit=3{after}"
            page = gateway.call("GET", asked, someone((ALPHA,))).json
            items += page["items"]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        csv = gateway.call("GET", f"{AGENT}/days?format=csv", someone((ALPHA,))).body
    assert [one["day"][:10] for one in items] == [
        day_of(DAY - ago * DAY_MS) for ago in (7, 6, 1, 0)
    ]
    assert [one["avg_quality"] for one in items] == [1.0, 0.125, 0.875, None]
    assert len(csv.splitlines()) == 5


@pytest.mark.parametrize("what", ["metrics", "days"])
def test_an_agent_that_nobody_knows_and_a_window_that_is_not_kept_are_told(
    topics: Settings, tmp_path: Path, what: str
) -> None:
    with Served(topics, tmp_path) as gateway:
        nobody = gateway.call("GET", AGENT.replace("adviser", f"x/{what}"), someone((ALPHA,)))
        long = gateway.call("GET", f"{AGENT}/metrics?window=401", someone((ALPHA,)))
    assert nobody.status == 404
    assert (long.status, long.json["reason"]) == (422, "NOT_UNDERSTOOD")


@pytest.mark.skipif(chromium() is None, reason="no Chromium")
def test_the_page_of_an_agent_draws_its_days_with_their_table_and_an_export(
    opened: Browser, topics: Settings, tmp_path: Path
) -> None:
    with (
        Served(topics, tmp_path, no_auth=True) as gateway,
        Person(opened, gateway.address) as person,
    ):
        person.open(f"/ui/trust/{quote(OWNER.agent, safe='')}")
        drawn = person.page.locator("figure.stacked")
        picture = drawn.get_by_role("img")
        expect(picture).to_have_attribute("data-points", "30")
        expect(picture).to_have_attribute(
            "aria-label", "Outcomes of the last 30 days: Approved 103, In part 1, Rejected 4"
        )
        person.page.get_by_role("combobox", name="Days").select_option("7")
        expect(picture).to_have_attribute("data-points", "7")
        expect(picture.locator("rect")).to_have_count(3)
        drawn.get_by_text("As a table").click()
        expect(drawn.get_by_role("row").last).to_contain_text(day_of(DAY))
        with person.page.expect_download() as download:
            person.page.get_by_role("link", name="Every day that is kept, as CSV").click()
        assert len(Path(download.value.path()).read_bytes().splitlines()) == 5
        write(topics, [day(0, tracked=2, confidence=1.5, approved=2, quality=1.0)])
        expect(picture.locator("rect")).to_have_count(4)
        assert person.faults == []


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


@pytest.mark.skipif(chromium() is None, reason="no Chromium")
def test_the_page_of_a_command_shows_how_far_it_is_and_what_was_said_of_it(
    opened: Browser, kafka: str, tmp_path: Path
) -> None:
    def kept(progress: float | None) -> Kept:
        row = OWNER.command_row(
            "halfway",
            phase=Phase.IN_PROGRESS,
            progress=progress,
            attempts_max=2,
            priority=RequestPriority.HIGH,
            failure_id=OWNER.id("failure"),
        )
        return Kept(TABLES_COMMANDS, row.command_id, CODEC.encode(row), OWNER.subject)

    with own_topics(kafka) as settings:
        write(settings, [*OWNER.records(), kept(0.25)])
        write_journal(settings)
        with (
            Served(settings, tmp_path, no_auth=True) as gateway,
            Person(opened, gateway.address) as person,
        ):
            person.open(f"/ui/commands/{OWNER.id('halfway')}")
            facts = person.page.locator("dl.facts").first
            expect(facts).to_contain_text("Progress 25 %")
            expect(facts).to_contain_text("of at most 2")
            expect(facts).to_contain_text("Priorityhigh")
            link = facts.get_by_role("link", name=OWNER.id("failure"))
            expect(link).to_have_attribute("href", f"/ui/failures/{OWNER.id('failure')}")
            write(settings, [kept(0.75)])
            expect(facts).to_contain_text("75 %")
            write(settings, [kept(None)])
            expect(facts).not_to_contain_text("Progress")
            assert person.faults == []
