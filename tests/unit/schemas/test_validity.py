"""The rules of values, each with a record that breaks it alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from schemas.codec.columns import decode
from schemas.records import (
    Autonomy,
    CommandStatus,
    Direction,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    Policy,
    Reference,
    ResultKind,
    Role,
    Share,
    ShareStep,
    Status,
)
from schemas.refusals import RefusedRecord
from schemas.validation.moments import EARLIEST_MS, FUTURE_MS
from schemas.validation.policy_checks import check_policy
from schemas.validation.results_and_metrics import check_metrics, check_results
from schemas.validation.spec_checks import check_spec
from schemas.validation.status_checks import check_status
from tests.support.builders import NOON, metric, result, spec
from tests.support.samples import CODEC

NAN, INF = float("nan"), float("inf")
LONG = "ü" * 512


def refused_results(*fields: dict[str, Any]) -> list[RefusedRecord]:
    values = [CODEC.encode(result(n, **each)) for n, each in enumerate(fields)]
    return check_results(decode(values, "ExperimentResult", CODEC), np.full(len(values), NOON))


@pytest.mark.parametrize(
    ("fields", "reason", "sentence"),
    [
        ({"event_id": ""}, "EMPTY_FIELD", "event_id is empty"),
        ({"subject": ""}, "EMPTY_FIELD", "subject is empty"),
        ({"experiment_id": ""}, "EMPTY_FIELD", "experiment_id is empty"),
        ({"variant": ""}, "EMPTY_FIELD", "variant is empty"),
        ({"metric": ""}, "EMPTY_FIELD", "metric is empty"),
        ({"segment": ""}, "EMPTY_FIELD", "segment is empty"),
        ({"unit_id": ""}, "EMPTY_FIELD", "unit_id is empty"),
        (
            {"segment": "x" * 513},
            "TOO_LONG",
            f"segment has 513 characters, more than 512: {'x' * 40!r}...",
        ),
        (
            {"unit_id": LONG + "ü"},
            "TOO_LONG",
            f"unit_id has 513 characters, more than 512: {'ü' * 40!r}...",
        ),
        ({"variant": "a\nb"}, "CONTROL_CHARACTER", "variant has a control character: 'a\\nb'"),
        ({"subject": "a\x7f"}, "CONTROL_CHARACTER", "subject has a control character: 'a\\x7f'"),
        ({"metric": "ü\x9b"}, "CONTROL_CHARACTER", "metric has a control character: 'ü\\x9b'"),
        ({"count": 0}, "BAD_COUNT", "count 0 is less than 1"),
        ({"count": -5}, "BAD_COUNT", "count -5 is less than 1"),
        ({"sum": NAN}, "NOT_FINITE", "sum is nan"),
        ({"sum": -INF}, "NOT_FINITE", "sum is -inf"),
        ({"sum_squares": INF}, "NOT_FINITE", "sum_squares is inf"),
        ({"covariate": NAN}, "NOT_FINITE", "covariate is nan"),
        ({"covariate": -INF}, "NOT_FINITE", "covariate is -inf"),
        ({"sum_squares": NAN}, "NOT_FINITE", "sum_squares is nan"),
        ({"sum_squares": -0.5}, "NEGATIVE_SQUARES", "sum_squares -0.5 is negative"),
        ({"kind": ResultKind.UNKNOWN}, "UNKNOWN_KIND", "kind is UNKNOWN"),
        (
            {"occurred_at": -1},
            "NEGATIVE_TIME",
            "occurred_at -1 is before 1970: send milliseconds since 1970",
        ),
        (
            {"assigned_at": -1},
            "NEGATIVE_TIME",
            "assigned_at -1 is before 1970: send milliseconds since 1970",
        ),
        (
            {"occurred_at": NOON + FUTURE_MS + 1},
            "FUTURE",
            f"occurred_at {NOON + FUTURE_MS + 1} is more than 5 minutes after the record was "
            "appended, "
            "in milliseconds since 1970",
        ),
        ({"count": 10**12 + 1}, "BAD_COUNT", "count 1000000000001 is more than 1000000000000"),
    ],
)
def test_a_result_that_breaks_a_rule_is_refused(
    fields: dict[str, Any], reason: str, sentence: str
) -> None:
    assert refused_results({}, fields, {}) == [RefusedRecord(1, reason, sentence)]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"segment": LONG, "unit_id": LONG, "subject": LONG},
        {"occurred_at": NOON + FUTURE_MS},
        {"occurred_at": EARLIEST_MS},
        {"sum": -1.5, "sum_squares": 0.0},
        {"kind": ResultKind.SNAPSHOT, "count": 10**12},
        {"variant": "größe 日本 🙂", "assigned_at": NOON},
    ],
)
def test_a_result_at_the_edge_of_the_rules_is_kept(fields: dict[str, Any]) -> None:
    assert refused_results({}, fields) == []


def test_a_row_that_breaks_several_rules_is_refused_once() -> None:
    assert refused_results({"count": 0, "sum": NAN, "event_id": ""}) == [
        RefusedRecord(0, "EMPTY_FIELD", "event_id is empty")
    ]


def test_refusals_are_named_by_their_place_among_the_values() -> None:
    values = [
        None,
        CODEC.encode(result(0)),
        b"",
        CODEC.encode(result(1, count=0)),
        CODEC.encode(result(2, sum=NAN)),
    ]
    refused = check_results(decode(values, "ExperimentResult", CODEC), np.full(5, NOON))
    assert [(each.index, each.reason) for each in refused] == [(3, "BAD_COUNT"), (4, "NOT_FINITE")]


def test_the_future_is_judged_by_each_records_own_append_time() -> None:
    values = [CODEC.encode(result(n, occurred_at=NOON)) for n in range(3)]
    appended = np.array([NOON, NOON - FUTURE_MS - 1, NOON - FUTURE_MS])
    refused = check_results(
        decode([None, *values], "ExperimentResult", CODEC), np.append([0], appended)
    )
    assert [each.index for each in refused] == [2]


def test_no_rows_break_no_rules() -> None:
    assert refused_results() == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"model_version": ""}, "EMPTY_FIELD"),
        ({"event_id": "\x1b[2J"}, "CONTROL_CHARACTER"),
        ({"count": 0}, "BAD_COUNT"),
        ({"sum": INF}, "NOT_FINITE"),
        ({"sum_squares": -1.0}, "NEGATIVE_SQUARES"),
        ({"occurred_at": NOON + FUTURE_MS + 1}, "FUTURE"),
    ],
)
def test_a_metric_that_breaks_a_rule_is_refused(fields: dict[str, Any], reason: str) -> None:
    values = [CODEC.encode(metric(0)), CODEC.encode(metric(1, **fields))]
    refused = check_metrics(decode(values, "ModelMetric", CODEC), np.full(2, NOON))
    assert [(each.index, each.reason) for each in refused] == [(1, reason)]


GOAL = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)


def step(control: float, treatment: float, from_: int | None = None) -> ShareStep:
    return ShareStep(from_=from_, shares=(Share("control", control), Share("b", treatment)))


def test_a_sensible_spec_has_no_faults() -> None:
    assert check_spec(spec()) == []
    assert (
        check_spec(spec(share_steps=(step(0.9, 0.1), step(0.5, 0.5, 7), step(0.1, 0.9, 8)))) == []
    )
    assert (
        check_spec(
            spec(metrics=(replace(GOAL, kind=MetricKind.LATENCY, limit=2.0, cap=1.0),), alpha=0.5)
        )
        == []
    )
    assert (
        check_spec(spec(metrics=(replace(GOAL, kind=MetricKind.LATENCY),))) == []
    )  # its limit is learnt
    assert check_spec(spec(follows_rollout=True, share_steps=())) == []


@pytest.mark.parametrize(
    ("fields", "reason", "sentence"),
    [
        ({"event_id": ""}, "EMPTY_FIELD", "event_id is empty"),
        (
            {"experiment_id": "a\x00"},
            "CONTROL_CHARACTER",
            "experiment_id has a control character: 'a\\x00'",
        ),
        ({"control": "", "share_steps": ()}, "EMPTY_FIELD", "control is empty"),
        ({"treatments": ("b", "")}, "EMPTY_FIELD", "treatment is empty"),
        ({"treatments": (), "share_steps": ()}, "NO_TREATMENTS", "treatments is empty"),
        (
            {"treatments": ("b", "control")},
            "CONTROL_TREATED",
            "control 'control' is among the treatments",
        ),
        ({"treatments": ("b", "b")}, "DUPLICATE_NAME", "treatment 'b' is named 2 times"),
        (
            {"share_steps": (step(0.5, 0.4),)},
            "BAD_SHARES",
            "the shares from None add up to 0.9, not 1",
        ),
        (
            {"share_steps": (step(NAN, 0.5),)},
            "BAD_SHARES",
            "the shares from None add up to nan, not 1",
        ),
        (
            {"share_steps": tuple(step(0.5, 0.5, n + 1) for n in range(65))},
            "BAD_SHARES",
            "65 share steps are more than 64",
        ),
        (
            {"share_steps": (step(1.0, 0.0),)},
            "BAD_SHARES",
            "the share of 'b' is 0, not above 0 and at most 1",
        ),
        (
            {"follows_rollout": True},
            "BAD_SHARES",
            "the shares are stated, and reported as well by follows_rollout: only one may be",
        ),
        (
            {"follows_rollout": True, "share_steps": (), "treatments": ("b", "c")},
            "BAD_SHARES",
            "a rollout moves one treatment's share, and there are 2",
        ),
        (
            {"share_steps": (step(2.0, -1.0),)},
            "BAD_SHARES",
            "the share of 'control' is 2, not above 0 and at most 1",
        ),
        (
            {"treatments": ("c",), "share_steps": (step(0.5, 0.5),)},
            "BAD_SHARES",
            "a share names 'b', which is not among ('control', 'c')",
        ),
        (
            {"share_steps": (ShareStep(shares=(Share("b", 0.5), Share("b", 0.5))),)},
            "DUPLICATE_NAME",
            "share of 'b' is named 2 times",
        ),
        (
            {"share_steps": (step(0.5, 0.5, 9), step(0.5, 0.5, 9))},
            "BAD_SHARES",
            "share step from 9 does not follow 9",
        ),
        ({"alpha": 0.0}, "OUT_OF_RANGE", "alpha 0 is not in (0, 0.5]"),
        ({"alpha": 0.51}, "OUT_OF_RANGE", "alpha 0.51 is not in (0, 0.5]"),
        ({"alpha": NAN}, "OUT_OF_RANGE", "alpha nan is not in (0, 0.5]"),
        ({"min_count": 0}, "BAD_COUNT", "min_count 0 is less than 1"),
        ({"metrics": (GOAL, GOAL)}, "DUPLICATE_NAME", "metric 'conversion' is named 2 times"),
        ({"metrics": (replace(GOAL, name=""),)}, "EMPTY_FIELD", "metric is empty"),
        ({"metrics": (replace(GOAL, role=Role.UNKNOWN),)}, "UNKNOWN_SYMBOL", "role is UNKNOWN"),
        (
            {"metrics": (replace(GOAL, direction=Direction.UNKNOWN),)},
            "UNKNOWN_SYMBOL",
            "direction is UNKNOWN",
        ),
        (
            {"metrics": (replace(GOAL, kind=MetricKind.UNKNOWN),)},
            "UNKNOWN_SYMBOL",
            "kind is UNKNOWN",
        ),
        (
            {"metrics": (replace(GOAL, kind=MetricKind.LATENCY, limit=INF),)},
            "NOT_FINITE",
            "the limit of 'conversion' is inf, which is no finite number",
        ),
        (
            {"metrics": (replace(GOAL, cap=NAN),)},
            "NOT_FINITE",
            "the cap of 'conversion' is nan, which is no finite number",
        ),
        (
            {"metrics": (replace(GOAL, margin=-0.1),)},
            "OUT_OF_RANGE",
            "the margin of 'conversion' is -0.1, not a finite number from 0 on",
        ),
        (
            {"metrics": (replace(GOAL, absolute_margin=INF),)},
            "OUT_OF_RANGE",
            "the absolute_margin of 'conversion' is inf, not a finite number from 0 on",
        ),
        (
            {"metrics": (replace(GOAL, absolute_margin=5.0),)},
            "OUT_OF_RANGE",
            "the absolute_margin of 'conversion' is 5, which allows any rate: of a RATE it is a "
            "difference of shares, 0.01 for one point of a hundred",
        ),
        (
            {"metrics": (replace(GOAL, expected_count=0),)},
            "BAD_COUNT",
            "the expected_count of 'conversion' is 0, less than 1",
        ),
        ({"autonomy": Autonomy.UNKNOWN}, "UNKNOWN_SYMBOL", "autonomy is UNKNOWN"),
        ({"status": ExperimentStatus.UNKNOWN}, "UNKNOWN_SYMBOL", "status is UNKNOWN"),
        ({"candidate_version": ""}, "EMPTY_FIELD", "candidate_version is empty"),
    ],
)
def test_a_spec_that_breaks_a_rule_says_which(
    fields: dict[str, Any], reason: str, sentence: str
) -> None:
    assert (reason, sentence) in check_spec(spec(**fields))


STATUS = CommandStatus(
    event_id="e",
    command_id="c",
    subject="bot",
    status=Status.COMPLETED,
    fencing_token=1,
    reported_at=0,
    reporter="d",
)


def test_a_sensible_status_has_no_faults() -> None:
    assert check_status(STATUS) == []
    assert check_status(replace(STATUS, traffic_share=0.0)) == []
    assert check_status(replace(STATUS, traffic_share=1.0, share_from=5, share_until=6)) == []


@pytest.mark.parametrize(
    ("fields", "reason", "sentence"),
    [
        ({"event_id": ""}, "EMPTY_FIELD", "event_id is empty"),
        ({"command_id": ""}, "EMPTY_FIELD", "command_id is empty"),
        ({"subject": ""}, "EMPTY_FIELD", "subject is empty"),
        ({"reporter": ""}, "EMPTY_FIELD", "reporter is empty"),
        ({"attempt": 0}, "BAD_COUNT", "attempt 0 is less than 1"),
        ({"status": Status.UNKNOWN}, "UNKNOWN_SYMBOL", "status is UNKNOWN"),
        ({"traffic_share": 1.5}, "BAD_SHARES", "traffic_share 1.5 is not in [0, 1]"),
        ({"traffic_share": NAN}, "BAD_SHARES", "traffic_share nan is not in [0, 1]"),
        (
            {"share_until": 5},
            "BAD_SHARES",
            "share_from or share_until is there without a traffic_share",
        ),
        (
            {"traffic_share": 0.5, "share_from": 5, "share_until": 5},
            "BAD_SHARES",
            "share_until 5 is not after 5, from when on the share holds",
        ),
        (
            {"traffic_share": 0.5, "share_until": 0},
            "BAD_SHARES",
            "share_until 0 is not after 0, from when on the share holds",
        ),
    ],
)
def test_a_status_that_breaks_a_rule_says_which(
    fields: dict[str, Any], reason: str, sentence: str
) -> None:
    assert check_status(replace(STATUS, **fields)) == [(reason, sentence)]


POLICY = Policy("e", "p")


def test_a_sensible_policy_has_no_faults() -> None:
    reference = Reference(metric="error", count=100, sum=5.0)
    assert check_policy(POLICY) == []
    assert (
        check_policy(replace(POLICY, references=(reference,), metrics=(GOAL,), reference_count=100))
        == []
    )


@pytest.mark.parametrize(
    ("fields", "reason", "sentence"),
    [
        ({"policy_id": ""}, "EMPTY_FIELD", "policy_id is empty"),
        ({"subjects": ("bot", "")}, "EMPTY_FIELD", "subject is empty"),
        ({"reference_count": 99}, "BAD_COUNT", "reference_count 99 is less than 100"),
        ({"alpha": 1.0}, "OUT_OF_RANGE", "alpha 1 is not in (0, 0.5]"),
        ({"min_count": 0}, "BAD_COUNT", "min_count 0 is less than 1"),
        (
            {"false_alarm_records": 999.0},
            "OUT_OF_RANGE",
            "false_alarm_records 999 is not in [1000, inf)",
        ),
        (
            {"false_alarm_records": NAN},
            "OUT_OF_RANGE",
            "false_alarm_records nan is not in [1000, inf)",
        ),
        ({"rollback": Autonomy.UNKNOWN}, "UNKNOWN_SYMBOL", "rollback is UNKNOWN"),
        ({"deploy": Autonomy.UNKNOWN}, "UNKNOWN_SYMBOL", "deploy is UNKNOWN"),
        ({"retrain": Autonomy.UNKNOWN}, "UNKNOWN_SYMBOL", "retrain is UNKNOWN"),
        ({"improve": Autonomy.UNKNOWN}, "UNKNOWN_SYMBOL", "improve is UNKNOWN"),
        ({"metrics": (GOAL, GOAL)}, "DUPLICATE_NAME", "metric 'conversion' is named 2 times"),
        (
            {"references": (Reference(metric="error", count=0, sum=0.0),)},
            "BAD_COUNT",
            "the reference of 'error' has count 0, less than 1",
        ),
        (
            {"references": (Reference(metric="error", count=1, sum=NAN),)},
            "NOT_FINITE",
            "the reference of 'error' has sum nan, which is no finite number",
        ),
    ],
)
def test_a_policy_that_breaks_a_rule_says_which(
    fields: dict[str, Any], reason: str, sentence: str
) -> None:
    assert check_policy(replace(POLICY, **fields)) == [(reason, sentence)]
