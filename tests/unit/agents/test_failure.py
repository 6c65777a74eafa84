"""What a failure analysis says: types, changes, causes, impact and hypotheses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.batch import Compared, Finding
from agents.core.kitagawa import Added
from agents.failures.analysis.analyse import impact_of, severity_of
from agents.failures.analysis.causes import causes_of
from agents.failures.analysis.classify import changes_of, loss_of, type_of, types_of
from agents.failures.analysis.hypotheses import hypotheses_of
from schemas.catalog import FAILURES, METRICS, RESULTS, SPECS, STATUS
from schemas.ids import event_uuid
from schemas.records import (
    Autonomy,
    Cause,
    CauseKind,
    Command,
    CommandStatus,
    Direction,
    FailureAnalysis,
    FailureType,
    ImproveCommand,
    MetricKind,
    MetricSpec,
    ModelMetric,
    Order,
    Policy,
    RetrainCommand,
    Role,
    Season,
    Severity,
    Sighting,
    Status,
    Verdict,
)
from streams.demo.datasets import employment
from tests.support.builders import NOON, metric, result, spec
from tests.support.loop import Loop

HOUR = 3_600_000
POLICY = Policy(event_id="p", policy_id="p")
AUTO = Policy(
    event_id="p",
    policy_id="p",
    rollback=Autonomy.AUTO,
    retrain=Autonomy.AUTO,
    improve=Autonomy.AUTO,
    reference_count=1_000,
    season=Season.NONE,
)


def finding(*compared: Compared, **fields: object) -> Finding:
    values: dict[str, object] = {
        "at": 0,
        "agent": "judge",
        "ordinal": "b|HARM",
        "verdict": Verdict.HARM,
        "order": Order.ROLLBACK,
        "subject": "bot",
        "metric": compared[0].metric if compared else "accuracy",
        "rule": "",
        "reason": "",
        "evidence": (),
        "compared": compared,
        "units": 1_000,
        "since": NOON,
        **fields,
    }
    return Finding(**values)  # type: ignore[arg-type]


S1 = (
    Compared("accuracy", 0.92, 0.78, 1.0),
    Compared("latency", 100.0, 250.0, -1.0),
    Compared("satisfaction", 0.85, 0.72, 1.0),
)


def test_changes_are_in_percent_of_the_winner_whatever_is_better() -> None:
    changes = changes_of(finding(*S1), POLICY)
    assert [round(change.percent or 0.0, 1) for change in changes] == [-15.2, 150.0, -15.3]
    assert [change.failing for change in changes] == [True, True, True]


def test_a_metric_fails_from_its_own_threshold_on_and_the_proved_one_always() -> None:
    strict = Policy(
        event_id="p",
        policy_id="p",
        metrics=(
            MetricSpec(
                "latency",
                Role.GUARDRAIL,
                Direction.LOWER_IS_BETTER,
                MetricKind.MEAN,
                failure_threshold=2.0,
            ),
        ),
    )
    small = finding(Compared("accuracy", 0.92, 0.91, 1.0), S1[1], Compared("cost", 1.0, 1.05, -1.0))
    assert [change.failing for change in changes_of(small, strict)] == [True, False, False]
    assert [change.failing for change in changes_of(small, POLICY)] == [True, True, False]


def test_nobody_fails_at_what_nobody_said_is_worse() -> None:
    changes = changes_of(finding(S1[0], Compared("length", 10.0, 90.0, 0.0)), POLICY)
    assert [change.failing for change in changes] == [True, False]


def test_the_proved_metrics_type_comes_first() -> None:
    both = finding(S1[1], S1[0])
    assert types_of(both, changes_of(both, POLICY)) == (FailureType.LATENCY, FailureType.ACCURACY)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("accuracy", FailureType.ACCURACY),
        ("error", FailureType.ACCURACY),
        ("error.timeout", FailureType.AVAILABILITY),
        ("p95_latency_ms", FailureType.LATENCY),
        ("cost_usd", FailureType.COST),
        ("CSAT", FailureType.SATISFACTION),
        ("click_rate", FailureType.CONVERSION),
        ("revenue", FailureType.REVENUE),
        ("missing_features", FailureType.DATA_QUALITY),
        ("queue", FailureType.OTHER),
    ],
)
def test_a_metrics_name_says_what_it_is_about(name: str, kind: FailureType) -> None:
    assert type_of(name) == kind


def test_a_mix_shift_is_named_by_its_segment_and_retraining_does_not_mend_it() -> None:
    shifted = finding(
        Compared("error", 0.168, 0.235, -1.0),
        added=(Added("16", 0.002, 0.045), Added("0", 0.003, 0.017)),
    )
    causes = causes_of(shifted, (), (), NOON)
    assert [(cause.kind, cause.name) for cause in causes[:2]] == [
        (CauseKind.MIX_SHIFT, "16"),
        (CauseKind.MIX_SHIFT, "0"),
    ]
    assert causes[0].share == pytest.approx(0.045 / 0.067)
    best = hypotheses_of((FailureType.ACCURACY,), causes, 0.4)[0]
    assert (best.strategy, best.text) == (
        "targeted data",
        "more data and a better model for segment 16",
    )


def test_a_version_explains_all_but_the_mix() -> None:
    came = finding(
        S1[0],
        came_with_version=True,
        model_version="v2",
        added=(Added("a", 0.08, 0.01), Added("b", 0.08, 0.03)),
    )
    first, second, *_ = causes_of(came, (), (), NOON)
    assert (first.kind, first.name) == (CauseKind.VERSION, "v2")
    assert first.share == pytest.approx(0.8)
    assert second.kind == CauseKind.SEGMENT


def test_of_equal_shares_the_version_is_named_first() -> None:
    half = finding(
        S1[0],
        came_with_version=True,
        model_version="v2",
        added=(Added("a", 0.1, 0.0), Added("b", 0.0, 0.1)),
    )
    assert [cause.kind for cause in causes_of(half, (), (), NOON)] == [
        *(CauseKind.VERSION, CauseKind.SEGMENT, CauseKind.MIX_SHIFT),
    ]


def test_errors_are_shared_out_among_their_codes() -> None:
    failing = finding(
        Compared("error.503", 0.01, 0.07, -1.0),
        Compared("error.429", 0.02, 0.04, -1.0),
        Compared("error.400", 0.02, 0.01, -1.0),
    )
    causes = causes_of(failing, changes_of(failing, POLICY), (), NOON)
    assert [(cause.kind, cause.name) for cause in causes] == [
        (CauseKind.ERROR_CODE, "503"),
        (CauseKind.ERROR_CODE, "429"),
    ]
    assert [cause.share for cause in causes] == pytest.approx([0.75, 0.25])


def test_another_metric_that_moved_before_is_named_and_one_that_moved_long_ago_is_not() -> None:
    seen = [
        Sighting("latency DRIFT", NOON - 2 * HOUR),
        Sighting("cost DRIFT", NOON - 48 * HOUR),
        Sighting("accuracy HARM", NOON - HOUR),
    ]
    (cause,) = causes_of(finding(S1[0]), (), seen, NOON)
    assert (cause.kind, cause.name) == (CauseKind.UPSTREAM_METRIC, "latency DRIFT")
    assert "120 minutes before" in cause.evidence


@pytest.mark.parametrize(
    ("compared", "kind", "severity"),
    [
        (Compared("accuracy", 1.0, 0.95, 1.0), FailureType.ACCURACY, Severity.LOW),
        (Compared("accuracy", 1.0, 0.89, 1.0), FailureType.ACCURACY, Severity.MEDIUM),
        (Compared("accuracy", 1.0, 0.75, 1.0), FailureType.ACCURACY, Severity.HIGH),
        (Compared("accuracy", 1.0, 0.5, 1.0), FailureType.ACCURACY, Severity.CRITICAL),
        (Compared("revenue", 1.0, 0.95, 1.0), FailureType.REVENUE, Severity.MEDIUM),
    ],
)
def test_severity_goes_by_the_relative_loss(
    compared: Compared, kind: FailureType, severity: Severity
) -> None:
    assert severity_of(finding(compared), kind) == severity


def test_impact_is_the_loss_of_a_day_and_says_how_it_was_worked_out() -> None:
    impact = impact_of(
        finding(Compared("conversion", 0.10, 0.08, 1.0), units=6_000), NOON + 12 * HOUR
    )
    assert impact.inputs == {"winner": 0.10, "loser": 0.08, "units": 6_000.0, "days": 0.5}
    assert impact.loss_per_day == pytest.approx(240.0)
    minutes = impact_of(finding(Compared("conversion", 0.10, 0.08, 1.0), units=60), NOON + 60_000)
    assert minutes.inputs["days"] == pytest.approx(
        1 / 24
    )  # what came within minutes is not stretched to a day


numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(before=numbers, now=numbers, sign=st.sampled_from([-1.0, 0.0, 1.0]))
def test_any_change_gives_a_loss_that_is_no_nan(before: float, now: float, sign: float) -> None:
    assert not np.isnan(loss_of(Compared("m", before, now, sign)))
    changes = changes_of(finding(Compared("m", before, now, sign)), POLICY)
    assert changes[0].failing


@given(
    causes=st.lists(
        st.builds(
            Cause,
            st.sampled_from(list(CauseKind)),
            st.text(max_size=5),
            st.floats(0.0, 1.0),
            st.just(""),
        ),
        max_size=4,
    ),
    loss=st.floats(0.0, 1.0),
)
def test_no_hypothesis_promises_more_than_was_lost(causes: list[Cause], loss: float) -> None:
    for one in hypotheses_of(list(FailureType)[1:], causes, loss):
        assert 0.0 <= one.expected_gain <= loss
        assert one.expected_cost > 0.0


def test_a_losing_variant_is_analysed_with_all_its_metrics() -> None:
    loop, rng = Loop(AUTO), np.random.default_rng(1)
    metrics = (
        MetricSpec("accuracy", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE),
        MetricSpec(
            "latency", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.MEAN, cap=10_000.0
        ),
    )
    loop.send(SPECS, [spec(metrics=metrics, candidate_version="v2", baseline_version="v1")])
    records = []
    for n in range(3_000):
        bad = rng.random() < 0.5
        arm = {
            "variant": "b" if bad else "control",
            "unit_id": f"u{n}",
            "occurred_at": NOON + n * 60_000 // 10,
        }
        right = rng.random() < (0.78 if bad else 0.92)
        records.append(result(2 * n, metric="accuracy", sum=float(right), **arm))
        records.append(
            result(2 * n + 1, metric="latency", sum=rng.exponential(250.0 if bad else 100.0), **arm)
        )
    loop.now = NOON + 6 * HOUR
    loop.send(RESULTS, records)
    analysis = loop.records(FAILURES)[0]
    assert isinstance(analysis, FailureAnalysis)
    assert (analysis.variant, analysis.model_version) == ("b", "v2")
    assert {FailureType.ACCURACY, FailureType.LATENCY} == set(analysis.types)
    assert analysis.causes[0] == Cause(CauseKind.VERSION, "v2", 1.0, analysis.causes[0].evidence)
    by_name = {change.metric: change for change in analysis.changes}
    assert by_name["latency"].percent == pytest.approx(150.0, abs=60.0)
    assert by_name["accuracy"].percent == pytest.approx(-15.2, abs=15.0)  # of some 50 units
    assert analysis.impact.loss_per_day > 0.0
    assert analysis.pattern.startswith(analysis.types[0])
    assert not loop.refused


def drifting(n: int, rate: float, count: int, rng: np.random.Generator) -> list[ModelMetric]:
    errors = rng.random(count) < rate
    return [
        metric(n + i, metric="error", sum=float(bad), occurred_at=NOON + (n + i) * 1_000)
        for i, bad in enumerate(errors)
    ]


def test_a_drift_is_trained_against_first_and_improved_where_that_did_not_help() -> None:
    loop, rng = Loop(AUTO), np.random.default_rng(2)
    loop.now = NOON + 3 * HOUR
    loop.send(METRICS, drifting(0, 0.05, 2_000, rng) + drifting(2_000, 0.25, 1_000, rng))
    (retrain,) = (
        one for one in loop.records("commands.retrain.v1") if isinstance(one, RetrainCommand)
    )
    assert loop.records("commands.improve.v1") == []
    loop.send(STATUS, [done(retrain, Status.COMPLETED)])
    loop.now += HOUR
    loop.send(METRICS, drifting(3_000, 0.25, 1_000, rng) + drifting(4_000, 0.6, 500, rng))
    (improve,) = (
        one for one in loop.records("commands.improve.v1") if isinstance(one, ImproveCommand)
    )
    assert (improve.strategy, improve.specialist) == ("search hyperparameters", "ai-ml-debugger")
    assert improve.expected_gain > 0.0
    assert improve.expected_cost == 12.0
    assert "expected back" in improve.reason
    row = loop.tables.failures.patterns.get("ACCURACY")
    assert row is not None
    assert [(one.action, one.helped, one.failed) for one in row.actions] == [("retrain", 0.0, 1.0)]
    signals = {one.signal for each in loop.tables.failures.sightings.rows() for one in each.signals}
    assert signals == {"error DRIFT", "error CHANGE"}
    # What a metric itself showed before is no metric upstream of its drift.
    causes = [one.causes for one in loop.records("failures.v1") if isinstance(one, FailureAnalysis)]
    assert causes == [(), ()]


def test_a_command_after_which_the_failure_stays_away_has_helped() -> None:
    loop, rng = Loop(AUTO), np.random.default_rng(3)
    loop.now = NOON + 2 * HOUR
    loop.send(METRICS, drifting(0, 0.05, 2_000, rng) + drifting(2_000, 0.25, 1_000, rng))
    (retrain,) = (
        one for one in loop.records("commands.retrain.v1") if isinstance(one, RetrainCommand)
    )
    loop.send(STATUS, [done(retrain, Status.COMPLETED)])
    loop.wait(6 * HOUR - 1)
    row = loop.tables.failures.patterns.get("ACCURACY")
    assert row is not None
    assert row.actions == ()
    loop.wait(1)
    row = loop.tables.failures.patterns.get("ACCURACY")
    assert row is not None
    assert [(one.action, one.helped) for one in row.actions] == [("retrain", 1.0)]
    trusted = {row.agent_id: row.approved for row in loop.tables.trust.trust.rows()}
    assert trusted == {"deployer:argo": 1, "playbook:retrain": 1, "detector:watch": 1}


def test_a_deployer_that_fails_is_trusted_less_and_the_action_is_not_blamed() -> None:
    loop, rng = Loop(AUTO), np.random.default_rng(4)
    loop.now = NOON + 2 * HOUR
    loop.send(METRICS, drifting(0, 0.05, 2_000, rng) + drifting(2_000, 0.25, 1_000, rng))
    for attempt in (1, 2, 3):
        *_, retrain = (
            one for one in loop.records("commands.retrain.v1") if isinstance(one, RetrainCommand)
        )
        assert retrain.attempt == attempt
        loop.send(STATUS, [done(retrain, Status.FAILED)])
        loop.wait(2_000)
    trusted = {row.agent_id: row.rejected for row in loop.tables.trust.trust.rows()}
    assert trusted == {"deployer:argo": 3}
    assert len(loop.tables.failures.followups) == 0


def done(command: Command, status: Status) -> CommandStatus:
    return CommandStatus(
        event_id=event_uuid("done", command.command_id, command.attempt, status),
        command_id=command.command_id,
        attempt=command.attempt,
        subject=command.subject,
        status=status,
        fencing_token=command.fencing_token,
        reported_at=command.issued_at + 1_000,
        reporter="argo",
    )


def test_group_quarters_explain_what_the_employment_model_gets_wrong() -> None:
    """US Census, Massachusetts 2016 to 2018: for ten thousand rows people in group quarters fill
    the file.
    """
    loop = Loop(Policy(event_id="p", policy_id="p", improve=Autonomy.AUTO, retrain=Autonomy.AUTO))
    records = [event.record for event in employment()]
    for first in range(0, len(records), 20_000):
        loop.send(METRICS, records[first : first + 20_000])
    analysis = loop.records(FAILURES)[0]
    assert isinstance(analysis, FailureAnalysis)
    assert (analysis.causes[0].kind, analysis.causes[0].name) == (
        CauseKind.MIX_SHIFT,
        "group quarters",
    )
    assert analysis.types == (FailureType.ACCURACY,)
    improve = loop.records("commands.improve.v1")[0]
    assert isinstance(improve, ImproveCommand)
    assert (improve.strategy, improve.specialist) == ("targeted data", "ai-ml-debugger")
    assert 0.0 < improve.expected_gain <= 0.5
    assert "group quarters" in improve.hypothesis
