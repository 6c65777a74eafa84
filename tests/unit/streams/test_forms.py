"""What people write becomes records, or a sentence that says why not."""

from dataclasses import fields
from typing import Any

import pytest

from schemas.records import (
    Autonomy,
    ExperimentResult,
    ExperimentSpec,
    ExperimentStatus,
    ModelMetric,
    Policy,
    Share,
    ShareStep,
)
from streams.files.parsing import FormError, build, converter

SPEC = {
    "event_id": "x",
    "experiment_id": "e",
    "subject": "s",
    "control": "a",
    "treatments": ["b"],
    "share_steps": [
        {
            "from": "2024-05-01",
            "shares": [{"variant": "a", "share": 0.5}, {"variant": "b", "share": 0.5}],
        }
    ],
    "status": "running",
    "ends_at": None,
}


def test_nested_records_are_built_with_their_written_names() -> None:
    spec = build(ExperimentSpec, SPEC, "it")
    assert spec.share_steps == (
        ShareStep(from_=1_714_521_600_000, shares=(Share("a", 0.5), Share("b", 0.5))),
    )
    assert spec.status is ExperimentStatus.RUNNING
    assert spec.ends_at is None


@pytest.mark.parametrize(
    ("written", "truth"), [(True, True), (False, False), ("true", True), ("False", False)]
)
def test_a_truth_is_written_as_yaml_or_text_has_it(written: object, truth: bool) -> None:
    assert (
        build(ExperimentSpec, {**SPEC, "follows_rollout": written}, "it").follows_rollout is truth
    )


@pytest.mark.parametrize("record", [ExperimentSpec, Policy, ExperimentResult, ModelMetric])
def test_each_field_of_what_people_write_has_a_converter(record: type) -> None:
    for field in fields(record):
        assert callable(converter(record, field.name.rstrip("_")))


def test_what_is_not_written_has_its_default() -> None:
    assert build(Policy, {"event_id": "x", "policy_id": "p", "deploy": "auto"}, "it") == Policy(
        event_id="x", policy_id="p", deploy=Autonomy.AUTO
    )


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            {**SPEC, "treatment": "b"},
            r"it has no field 'treatment'; there are event_id, experiment_id,",
        ),
        ({"event_id": "x", "control": "a"}, r"it lacks experiment_id, subject, treatments"),
        ({**SPEC, "treatments": "b"}, r"it, treatments: 'b' is no list"),
        ({**SPEC, "alpha": "much"}, r"it, alpha: 'much' is no number"),
        ({**SPEC, "follows_rollout": 2}, r"it, follows_rollout: 2 is neither true nor false"),
        (
            {**SPEC, "follows_rollout": "perhaps"},
            r"it, follows_rollout: 'perhaps' is neither true nor false",
        ),
        ({**SPEC, "subject": 1.5}, r"it, subject: 1.5 is no text; put it in quotes"),
        (
            {**SPEC, "share_steps": [{"shares": [{"variant": "a"}]}]},
            r"it, share_steps: ShareStep, shares: Share lacks share",
        ),
        ("b", r"it is 'b', not a mapping of fields"),
    ],
)
def test_what_is_wrong_is_named(written: Any, sentence: str) -> None:
    with pytest.raises(FormError, match=sentence):
        build(ExperimentSpec, written, "it")


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("2024-05-01T00:00:00Z", 1_714_521_600_000),
        ("2024-05-01 02:00:00.5+02:00", 1_714_521_600_500),
        ("2024-05-01 00:00:00", 1_714_521_600_000),  # no zone: UTC
        ("1714521600000", 1_714_521_600_000),
        (1_714_521_600_000, 1_714_521_600_000),
    ],
)
def test_times_are_iso_or_milliseconds(written: Any, ms: int) -> None:
    assert converter(ExperimentResult, "occurred_at")(written) == ms


def test_seconds_are_taken_as_such_when_told() -> None:
    assert converter(ExperimentResult, "occurred_at", "s")("1714521600.25") == 1_714_521_600_250
    with pytest.raises(FormError, match="is no time"):
        converter(ExperimentResult, "occurred_at", "s")("inf")


def test_numbers_come_as_text_or_truth_and_fit_into_64_bits() -> None:
    whole, number = converter(ExperimentResult, "count"), converter(ExperimentResult, "sum")
    assert (whole("3"), whole(3.0), number("0.5"), number("True"), number("false")) == (
        3,
        3,
        0.5,
        1.0,
        0.0,
    )
    for written in ("3.5", "nan", "1e300", "3 apples"):
        with pytest.raises(FormError):
            whole(written)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(FormError, match="half a character"):
        converter(ExperimentResult, "variant")("\ud800")


@pytest.mark.parametrize(
    ("times", "written", "sentence"),
    [
        ("written", 1_700_000_000, "1700000000 looks like seconds since 1970, not milliseconds"),
        ("written", 1, "1 is no time from 2000 to 2099 in milliseconds since 1970"),
        (
            "ms",
            "1700000000000000",
            "'1700000000000000' looks like microseconds since 1970, not milliseconds",
        ),
        ("s", "1700000000000", "'1700000000000' looks like milliseconds since 1970, not seconds"),
    ],
)
def test_a_stated_unit_that_does_not_fit_is_named(times: Any, written: Any, sentence: str) -> None:
    with pytest.raises(FormError, match=sentence):
        converter(ExperimentSpec, "ends_at", times)(written)
