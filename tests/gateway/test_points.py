"""Points of running intervals: what a chart is drawn of, page by page, and after a restart."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from schemas.catalog import POINTS
from schemas.records import ArmPoint
from streams.runtime.clock import now_ms
from streams.runtime.settings import Settings
from tests.support.gateway.asking import someone
from tests.support.gateway.browser import Person, browser, chromium
from tests.support.gateway.served import Served
from tests.support.gateway.world import ALPHA, CODEC, Kept, Tenant, write, write_journal
from tests.support.kafka.running import own_topics
from tests.support.samples import sample

pytestmark = pytest.mark.kafka
OWNER = Tenant(ALPHA)
PLACE = f"{quote(OWNER.subject, safe='')}/{OWNER.experiment}"
PATH = f"/api/v1/experiments/{PLACE}/points"
NUMBER = 40


def point(number: int, **fields: Any) -> ArmPoint:
    """A point of an interval that closes in on 0.01."""
    wide = 0.2 / (number + 1)
    given: dict[str, Any] = {
        "subject": OWNER.subject,
        "experiment_id": OWNER.experiment,
        "metric": "conversion",
        "variant": "b",
        "offset": 1_000 + 10 * number,
        "at": now_ms() - 60_000 + number,
        "count": 500 + 50 * number,
        "control_count": 500 + 50 * number,
        "effect": 0.01,
        "running_low": 0.01 - wide,
        "running_high": 0.01 + wide,
    }
    return replace(cast(ArmPoint, sample("ArmPoint")), **(given | fields))


def kept(points: list[ArmPoint]) -> list[Kept]:
    return [Kept(POINTS, one.subject, CODEC.encode(one), one.subject) for one in points]


@contextmanager
def filled(kafka: str) -> Iterator[Settings]:
    """Topics with an experiment and its points."""
    with own_topics(kafka) as settings:
        points = [point(n) for n in range(NUMBER)]
        others = [
            point(1, variant="c"),
            point(2, metric="revenue"),
            point(3, experiment_id=f"{OWNER.experiment}-2"),
        ]
        rows = [each for each in OWNER.records() if each.topic != POINTS]
        write(settings, [*rows, *kept(points), *kept(others)])
        write_journal(settings)
        yield settings


def asked(gateway: Served, query: str) -> list[dict[str, Any]]:
    """All points of a query, page by page."""
    items, after = list[dict[str, Any]](), ""
    while True:
        page = gateway.call("GET", f"{PATH}?{query}{after}", someone((ALPHA,)))
        assert page.status == 200, page.body
        items += page.json["items"]
        if page.json["next"] is None:
            return items
        after = f"&after={page.json['next']}"


def test_points_of_an_arm_come_in_the_order_of_the_log_page_by_page(
    topics: Settings, tmp_path: Path
) -> None:
    with Served(topics, tmp_path) as gateway:
        whole = asked(gateway, "metric=conversion&variant=b")
        assert [one["offset"] for one in whole] == [1_000 + 10 * n for n in range(NUMBER)]
        assert asked(gateway, "metric=conversion&variant=b&limit=7") == whole
        arms = {(one["metric"], one["variant"]) for one in asked(gateway, "")}
        assert arms == {("conversion", "b"), ("conversion", "c"), ("revenue", "b")}
        assert {one["variant"] for one in asked(gateway, "metric=conversion")} == {"b", "c"}
        csv = gateway.call("GET", f"{PATH}?format=csv&metric=revenue", someone((ALPHA,)))
        assert len(csv.body.splitlines()) == 2


def test_a_variant_without_its_metric_and_an_experiment_that_is_not_there_are_told(
    topics: Settings, tmp_path: Path
) -> None:
    with Served(topics, tmp_path) as gateway:
        half = gateway.call("GET", f"{PATH}?variant=b", someone((ALPHA,)))
        assert (half.status, half.json["reason"]) == (422, "NOT_UNDERSTOOD")
        nowhere = gateway.call("GET", PATH.replace("checkout", "x"), someone((ALPHA,)))
        assert nowhere.status == 404


def test_a_replica_that_starts_from_nothing_has_the_same_points(
    topics: Settings, tmp_path: Path
) -> None:
    found = []
    for folder in ("one", "two", "two"):  # cold, cold, and from the file of the second
        with Served(topics, tmp_path / folder) as gateway:
            found.append(asked(gateway, "metric=conversion&variant=b"))
    assert found[0] == found[1] == found[2]
    assert len(found[0]) >= NUMBER


@pytest.fixture(scope="module")
def topics(kafka: str) -> Iterator[Settings]:
    with filled(kafka) as settings:
        yield settings


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    with browser() as one:
        yield one


@pytest.mark.skipif(chromium() is None, reason="no Chromium")
def test_the_chart_of_an_experiment_outlives_the_gateway(
    opened: Browser, topics: Settings, tmp_path: Path
) -> None:
    drawn = []
    for folder in ("one", "two"):
        with (
            Served(topics, tmp_path / folder, no_auth=True) as gateway,
            Person(opened, f"http://127.0.0.1:{gateway.port}") as person,
        ):
            person.open(f"/ui/experiments/{PLACE}")
            band = person.page.locator("svg.band[data-points]").first
            expect(band).to_have_attribute("data-points", str(NUMBER))
            expect(band).to_have_attribute("aria-label", f"{told()}")
            drawn.append(band.inner_html())
            assert person.faults == []
    assert drawn[0] == drawn[1]


def told() -> str:
    last = point(NUMBER - 1)
    units = last.count + last.control_count
    return f"The effect is between 0.005 and 0.015 after {units} units"


@pytest.mark.skipif(chromium() is None, reason="no Chromium")
def test_the_chart_grows_with_a_point_that_comes(
    opened: Browser, kafka: str, tmp_path: Path
) -> None:
    with (
        filled(kafka) as own,
        Served(own, tmp_path, no_auth=True) as gateway,
        Person(opened, f"http://127.0.0.1:{gateway.port}") as person,
    ):
        person.open(f"/ui/experiments/{PLACE}")
        band = person.page.locator("svg.band[data-points]").first
        expect(band).to_have_attribute("data-points", str(NUMBER))
        write(own, kept([point(NUMBER)]))
        expect(band).to_have_attribute("data-points", str(NUMBER + 1))
