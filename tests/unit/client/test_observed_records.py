"""What a program observed becomes the record that the processor takes, or an exception."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from mendstream.client import InvalidRecord
from mendstream.client.observed_records import metric_of, result_of
from mendstream.client.time_and_ids import now_ms
from schemas.records import ExperimentResult, ModelMetric

AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
AT_MS = 1_767_607_200_000
NAMES = ("shop", "checkout", "new", "conversion")
NAN = float("nan")


def observed(**more: Any) -> ExperimentResult:
    fields: dict[str, Any] = {"value": 1.0, "occurred_at": AT, **more}
    return result_of(*NAMES, **fields)


def test_a_result_is_what_was_observed() -> None:
    record = observed(
        unit_id="u1",
        segment="mobile",
        assigned_at=AT_MS - 1,
        covariate=2,
        event_id="7c9e6679-7425-40de-944b-e07fc1f90ae7",
    )
    assert record == ExperimentResult(
        event_id="7c9e6679-7425-40de-944b-e07fc1f90ae7",
        subject="shop",
        experiment_id="checkout",
        variant="new",
        metric="conversion",
        unit_id="u1",
        sum=1.0,
        segment="mobile",
        occurred_at=AT_MS,
        assigned_at=AT_MS - 1,
        covariate=2.0,
    )


def test_a_metric_is_what_was_observed() -> None:
    record = metric_of(
        "bot", "v3", "error", 2, count=10, sum_squares=2.0, occurred_at=AT_MS, event_id="batch 7"
    )
    assert record == ModelMetric(
        event_id=record.event_id,
        subject="bot",
        model_version="v3",
        metric="error",
        count=10,
        sum=2.0,
        sum_squares=2.0,
        occurred_at=AT_MS,
    )


def test_the_same_event_has_the_same_id_and_another_another() -> None:
    first = observed(event_id="order 17").event_id
    assert str(UUID(first)) == first
    assert observed(event_id="order 17", value=0.0).event_id == first, "told again, corrected"
    others = [
        observed(event_id="order 18").event_id,
        result_of("shop", "checkout", "new", "revenue", 9.5, event_id="order 17").event_id,
        result_of("shop", "other", "new", "conversion", 1, event_id="order 17").event_id,
        metric_of("shop", "checkout", "conversion", 1, event_id="order 17").event_id,
    ]
    assert len({first, *others}) == 5


def test_without_a_name_each_call_is_an_event_of_its_own() -> None:
    assert observed().event_id != observed().event_id


def test_what_is_no_uuid_in_its_usual_form_is_a_name() -> None:
    """A digest of 32 digits could be one; two metrics of one order would be one event."""
    digest = "7c9e6679742540de944be07fc1f90ae7"
    assert observed(event_id=digest).event_id != digest


def test_moments_are_of_a_time_zone_or_milliseconds() -> None:
    there = AT.astimezone(timezone(timedelta(hours=5)))
    assert observed(occurred_at=there).occurred_at == AT_MS
    before = now_ms()
    assert before <= observed(occurred_at=None).occurred_at <= now_ms()


@pytest.mark.parametrize(
    ("more", "reason", "sentence"),
    [
        ({"value": NAN}, "NOT_FINITE", "sum is nan"),
        ({"value": "much"}, "UNDECODABLE", "value is 'much': give a number"),
        ({"covariate": float("inf")}, "NOT_FINITE", "covariate is inf"),
        ({"unit_id": ""}, "EMPTY_FIELD", "unit_id is empty"),
        ({"unit_id": 17}, "UNDECODABLE", "unit_id is 17: give a str"),
        ({"event_id": ""}, "EMPTY_FIELD", "event_id is empty"),
        ({"segment": "a\nb"}, "CONTROL_CHARACTER", "segment has a control character: 'a\\nb'"),
        (
            {"occurred_at": 1_767_607_200},
            "TIME_UNIT",
            "occurred_at 1767607200 looks like seconds since 1970 (2026-01-05): send milliseconds",
        ),
        (
            {"occurred_at": AT.replace(tzinfo=None)},
            "UNDECODABLE",
            "occurred_at 2026-01-05 10:00:00 has no time zone: give it one, datetime.UTC for one",
        ),
        (
            {"occurred_at": "today"},
            "UNDECODABLE",
            "occurred_at is 'today': give a datetime with a time zone, or int milliseconds",
        ),
    ],
)
def test_what_the_processor_would_refuse_is_told_before(
    more: dict[str, Any], reason: str, sentence: str
) -> None:
    with pytest.raises(InvalidRecord) as told:
        observed(**more)
    assert (told.value.reason, str(told.value)) == (reason, sentence)


def test_a_pattern_and_an_empty_part_are_no_subjects() -> None:
    for subject in ("acme/*", "acme//bot", "default/bot", ""):
        with pytest.raises(InvalidRecord):
            result_of(subject, *NAMES[1:], 1.0)


def test_a_count_is_whole_and_at_least_one() -> None:
    for count, reason in ((0, "BAD_COUNT"), (1.5, "UNDECODABLE"), ("2", "UNDECODABLE")):
        with pytest.raises(InvalidRecord) as told:
            metric_of("bot", "v3", "error", 1.0, count=count)  # type: ignore[arg-type]
        assert told.value.reason == reason
