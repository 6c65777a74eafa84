"""The data sets that ship, as the demo sends them."""

from collections import Counter, defaultdict

import pytest

from schemas.records import ExperimentResult, ModelMetric
from streams.demo.datasets import CAR_LOAN, DATA, EMPLOYMENT, DemoEvent, events


@pytest.fixture(scope="module")
def sent() -> list[DemoEvent]:
    return events()


def test_every_row_is_one_record_with_an_id_of_its_own(sent: list[DemoEvent]) -> None:
    assert len({event.record.event_id for event in sent}) == 240_000
    assert Counter(event.record.subject for event in sent) == {
        EMPLOYMENT: 80_000,
        CAR_LOAN: 100_000,
        "shop-men": 20_000,
        "shop-women": 20_000,
        "shop-all": 20_000,
    }


def test_each_subject_is_in_event_time(sent: list[DemoEvent]) -> None:
    times = defaultdict(list)
    for event in sent:
        times[event.record.subject].append(event.record.occurred_at)
    assert all(each == sorted(each) for each in times.values())


def test_the_known_figures_are_in_the_records(sent: list[DemoEvent]) -> None:
    people = [
        e.record
        for e in sent
        if isinstance(e.record, ModelMetric) and e.record.subject == EMPLOYMENT
    ]
    mixed = people[33_619:43_939]
    quarters = [each for each in mixed if each.segment == "group quarters"]
    assert len(quarters) / len(mixed) > 0.99
    assert round(sum(each.sum for each in mixed) / len(mixed), 3) == 0.235
    clicks = Counter[tuple[str, str]]()
    for event in sent:
        if isinstance(event.record, ExperimentResult):
            clicks[event.record.subject, event.record.variant] += int(event.record.sum)
    assert (clicks["shop-men", "random"], clicks["shop-men", "bts"]) == (46, 69)


def test_the_licences_stand_beside_the_data() -> None:
    told = (DATA / "README.md").read_text()
    assert all(path.name in told for path in DATA.iterdir() if path.name != "README.md")
