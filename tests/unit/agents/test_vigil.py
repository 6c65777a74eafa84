"""What cannot be judged is told, once, and until it is over; an experiment ends at its time."""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from agents.core.provenance import Provenance
from agents.experiments.oversight import periodic_checks
from agents.flow.pipeline import rebuild
from schemas.catalog import ALERTS, DECISIONS, RESULTS, SPECS
from schemas.records import (
    Alert,
    Autonomy,
    Decision,
    Direction,
    ExperimentRow,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    Order,
    Outcome,
    Phase,
    Policy,
    ResultKind,
    Role,
    Share,
    ShareStep,
    Status,
    Verdict,
)
from schemas.validation.policy_checks import check_policy
from schemas.validation.spec_checks import check_spec
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key
from tests.support.builders import NOON, result, spec
from tests.support.life import Life

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CONVERSION = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
ERROR = MetricSpec("error", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.RATE, margin=1.0)
REVENUE = MetricSpec("revenue", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.MEAN, cap=100.0)
POLICY = Policy(event_id="p", policy_id="all", deploy=Autonomy.AUTO)
THREE = spec(
    treatments=("b", "c"),
    share_steps=(ShareStep(shares=(Share("control", 0.5), Share("b", 0.25), Share("c", 0.25))),),
)
_ids = count()


def alive(*specs: Any) -> Life:
    life = Life(POLICY)
    if specs:
        life.send(SPECS, list(specs))
    return life


def send(
    life: Life, *arms: str, n: int = 200, metrics: tuple[str, ...] = ("conversion",), **fields: Any
) -> None:
    """n units of each arm in summed records of 50, of which every tenth converts."""
    life.send(
        RESULTS,
        [
            result(
                next(_ids),
                **{"variant": arm, "metric": name, "count": 50, "sum": 5.0, "occurred_at": life.now}
                | fields,
            )
            for _ in range(n // 50)
            for name in metrics
            for arm in arms
        ],
    )


def decisions(life: Life, *verdicts: Verdict) -> list[Decision]:
    found = [one for one in life.records(DECISIONS) if isinstance(one, Decision)]
    return [one for one in found if one.verdict in (verdicts or (Verdict.MISSING, Verdict.SPLIT))]


def alerts(life: Life) -> list[tuple[str, str]]:
    return [(one.rule, str(one.state)) for one in life.records(ALERTS) if isinstance(one, Alert)]


def row(life: Life) -> ExperimentRow:
    found = life.tables.experiments.experiments.get(row_key("bot", "exp"))
    assert found is not None
    return found


def lacks(life: Life) -> list[tuple[str, str, int]]:
    return [(one.kind, one.name, one.since) for one in row(life).lacks]


def test_a_planned_arm_that_never_sends_is_told_with_what_would_end_it() -> None:
    life = alive(THREE)
    send(life, "control", "b")
    life.wait(29 * MINUTE)
    send(life, "control", "b")
    assert decisions(life) == []
    life.wait(MINUTE)
    (told,) = decisions(life)
    assert (told.verdict, told.order, told.outcome, told.variant) == (
        Verdict.MISSING,
        Order.NONE,
        Outcome.HELD,
        "c",
    )
    assert "'c' is planned and sends nothing, while b and control sends" in told.reason
    assert "send its results, or stop the experiment" in told.reason
    assert lacks(life) == [("ARM", "c", NOON)]
    assert alerts(life) == [("arms missing", "RAISED")]


def test_it_is_told_once_and_resolved_when_it_is_over() -> None:
    life = alive(THREE)
    send(life, "control", "b")
    for _ in range(6):
        life.wait(30 * MINUTE)
        send(life, "control", "b")
    assert len(decisions(life)) == 1
    send(life, "c")
    life.wait(2 * MINUTE)
    assert lacks(life) == []
    assert alerts(life) == [("arms missing", "RAISED"), ("arms missing", "RESOLVED")]
    assert len(decisions(life)) == 1


def looks(life: Life, minutes: int, monkeypatch: pytest.MonkeyPatch, *arms: str) -> list[int]:
    """The moments at which the experiment is looked at while the clock goes on by the minute and
    these arms send.
    """
    at = list[int]()

    def counted(key: str, place: Provenance, tables: ExperimentTables) -> periodic_checks.LackCheck:
        at.append(place.now)
        return look_after(key, place, tables)

    look_after = periodic_checks.look_after
    with monkeypatch.context() as patched:
        patched.setattr(periodic_checks, "look_after", counted)
        for _ in range(minutes):
            if arms:
                send(life, *arms, n=50)
            life.wait(MINUTE)
    return at


def test_what_was_told_is_looked_at_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    life = alive(THREE)
    send(life, "control", "b")
    life.wait(30 * MINUTE)
    first = looks(life, 60, monkeypatch)
    assert 8 <= len(first) <= 14
    assert len(looks(life, 24 * 60, monkeypatch)) <= 70
    assert 46 <= len(looks(life, 24 * 60, monkeypatch)) <= 48, (
        "every missing_after_ms, for as long as it lasts"
    )
    assert len(decisions(life)) == 1 + len([one for one in decisions(life) if one.variant != "c"])


def test_a_spec_without_a_result_is_looked_at_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = alive(spec())
    life.wait(30 * MINUTE)
    assert len(looks(life, 24 * 60, monkeypatch)) <= 70


def test_what_is_not_told_yet_is_looked_at_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An arm that may have stopped, of which the others' units would tell, and these have stopped
    too.
    """
    life = alive(spec())
    for _ in range(10):
        send(life, "control", "b", n=1_000)
        life.wait(MINUTE)
    life.wait(30 * MINUTE)
    send(life, "control", n=50)
    life.wait(30 * MINUTE)
    assert [(one.kind, one.name, one.told_at) for one in row(life).lacks] == [("STOPPED", "b", -1)]
    assert len(looks(life, 24 * 60, monkeypatch)) <= 70


@pytest.mark.parametrize("lack", ["ARM", "CONTROL", "METRIC"])
def test_a_lack_that_has_lasted_for_days_ends_within_a_minute_of_the_record_that_ends_it(
    lack: str,
) -> None:
    plan = (
        spec(metrics=(CONVERSION, ERROR))
        if lack == "METRIC"
        else THREE
        if lack == "ARM"
        else spec()
    )
    sent = ("control", "b") if lack != "CONTROL" else ("b",)
    life = alive(plan)
    send(life, *sent)
    for _ in range(200):
        life.wait(30 * MINUTE)
    assert row(life).due_at > life.now + 2 * MINUTE
    mends: dict[str, Any] = {
        "ARM": {"variant": "c"},
        "CONTROL": {"variant": "control"},
        "METRIC": {"metric": "error"},
    }
    for arm in ("control", "b") if lack == "METRIC" else ("",):
        fields = mends[lack] if not arm else {"variant": arm, **mends[lack]}
        send(life, "", n=50, **fields)
    life.wait(MINUTE)
    assert lack not in [one.kind for one in row(life).lacks]
    assert alerts(life)[-1][1] == "RESOLVED"


def test_nothing_is_told_before_the_others_have_the_units_that_a_verdict_needs() -> None:
    life = alive(THREE)
    send(life, "control", "b", n=50)
    life.wait(DAY)
    assert decisions(life) == []
    send(life, "control", n=100)
    life.wait(HOUR)
    assert [one.variant for one in decisions(life)][:1] == ["c"]


def test_no_arm_named_control_and_no_spec_is_told() -> None:
    life = alive()
    send(life, "a", "b")
    life.wait(30 * MINUTE)
    (told,) = decisions(life)
    assert (told.verdict, told.variant) == (Verdict.MISSING, "control")
    assert "no arm is 'control', its control, while a and b sends" in told.reason
    assert "a spec of a new experiment_id that names the control" in told.reason
    assert alerts(life) == [("control missing", "RAISED")]


def test_a_control_alone_without_a_spec_is_told() -> None:
    life = alive()
    send(life, "control")
    life.wait(30 * MINUTE)
    assert ["no treatment does" in one.reason for one in decisions(life)] == [True]


def test_a_spec_that_never_got_a_result_is_told_and_resolved_by_the_first() -> None:
    life = alive(spec())
    life.wait(30 * MINUTE)
    (told,) = decisions(life)
    assert "no result came since its spec" in told.reason
    assert alerts(life) == [("results missing", "RAISED")]
    send(life, "control", "b")
    life.wait(MINUTE)
    life.wait(MINUTE)
    assert alerts(life)[1:] == [("results missing", "RESOLVED")]


def test_a_goal_whose_data_never_comes_and_one_that_comes_of_one_arm_only_are_told() -> None:
    life = alive(spec(metrics=(CONVERSION, ERROR, REVENUE)))
    send(life, "control", "b", metrics=("conversion",))
    send(life, "control", metrics=("error",))
    life.wait(30 * MINUTE)
    assert [(one.metric, one.variant) for one in decisions(life)] == [
        ("error", "b"),
        ("revenue", None),
    ]
    assert alerts(life) == [("metrics missing", "RAISED")]


def test_an_arm_that_stops_while_others_go_on_is_told_and_resolved() -> None:
    life = alive(spec())
    for _ in range(30):
        send(life, "control", "b")
        life.wait(MINUTE)
    stopped = life.now - MINUTE
    for _ in range(28):
        send(life, "control")
        life.wait(MINUTE)
    assert decisions(life) == []
    for _ in range(3):
        send(life, "control")
        life.wait(MINUTE)
    (told,) = decisions(life)
    assert (told.verdict, told.variant) == (Verdict.MISSING, "b")
    assert lacks(life) == [("STOPPED", "b", stopped)]
    send(life, "b", "control")
    life.wait(4 * MINUTE)  # a tenth of the time that it lasted
    assert alerts(life) == [("arms stopped", "RAISED"), ("arms stopped", "RESOLVED")]


def test_traffic_that_ebbs_stops_no_arm() -> None:
    """By day 1 000 units an hour, by night one of the arms, in turn, has one."""
    life = alive(spec())
    for _ in range(60):
        send(life, "control", "b", n=50)
        life.wait(3 * MINUTE)
    for arm in ("control", "b") * 8:
        send(life, arm, n=50, count=1, sum=0.0)
        for _ in range(25):
            life.wait(MINUTE)
    assert decisions(life) == []


def test_arms_whose_files_come_one_after_the_other_have_not_stopped() -> None:
    life = alive(spec())
    send(life, "control", "b")
    for _ in range(3):
        for arm in ("control", "b"):
            send(life, arm, n=2_000)
            for _ in range(120):
                life.wait(MINUTE)
    assert decisions(life) == []


def test_an_experiment_of_an_older_release_is_looked_after_from_then_on() -> None:
    life = alive(spec(ends_at=NOON + HOUR))
    life.tables.experiments.experiments.put(replace(row(life), begun_at=-1, due_at=-1))
    rebuild(life.tables)
    life.now += 2 * HOUR
    life.wait(1_000)
    assert decisions(life, Verdict.MISSING, Verdict.ENDED) == []
    send(life, "control", "b", occurred_at=NOON)
    assert row(life).late == 0
    for _ in range(11):
        life.wait(MINUTE)
    assert len(decisions(life, Verdict.ENDED)) == 1


def test_an_arm_that_was_rolled_back_may_stop() -> None:
    life = alive(spec())
    send(life, "control", n=1_000, sum=25.0)
    send(life, "b", n=1_000)
    assert [one.order for one in life.rows()] == [Order.ROLLBACK]
    life.report(life.issued()[-1], Status.COMPLETED)
    for _ in range(60):
        send(life, "control")
        life.wait(MINUTE)
    assert decisions(life) == []


def test_a_snapshot_arm_that_stops_is_told() -> None:
    life = alive(spec())
    for hour in range(1, 4):
        for arm in ("control", "b") if hour < 2 else ("control",):
            send(life, arm, n=50, kind=ResultKind.SNAPSHOT, count=1_000 * hour, sum=100.0 * hour)
        life.wait(HOUR)
    assert [one.variant for one in decisions(life)] == ["b"]


def test_an_arm_that_no_spec_names_is_told() -> None:
    life = alive(spec())
    send(life, "control", "b", "B")
    life.wait(30 * MINUTE)
    life.wait(30 * MINUTE)
    assert ["is its name spelt as in the spec?" in one.reason for one in decisions(life)] == [True]
    assert alerts(life) == [("arms unplanned", "RAISED")]


def test_a_mean_without_its_squares_is_told() -> None:
    life = alive(spec(metrics=(REVENUE,), share_steps=()))
    send(life, "control", "b", metrics=("revenue",), sum_squares=None)
    life.wait(30 * MINUTE)
    assert {one.variant for one in decisions(life)} == {"control", "b"}
    assert all("without sum_squares" in one.reason for one in decisions(life))


def test_mixed_kinds_are_told_besides_their_dead_letters() -> None:
    life = alive(spec())
    send(life, "control", "b")
    send(life, "b", kind=ResultKind.SNAPSHOT)
    assert all("MIXED_KINDS" in one for one in life.refused)
    life.wait(30 * MINUTE)
    assert ["send one kind" in one.reason for one in decisions(life)] == [True]


def singles(life: Life, units: range, *arms: str, **fields: Any) -> None:
    records = [
        result(
            next(_ids),
            **{
                "variant": arm,
                "unit_id": f"u{unit}",
                "sum": float(unit % 10 == 0),
                "occurred_at": life.now,
            }
            | fields,
        )
        for unit in units
        for arm in arms
    ]
    life.send(RESULTS, records)


def test_units_in_both_arms_are_left_out_counted_and_held_as_a_split() -> None:
    life = alive(spec())
    singles(life, range(400), "control", "b")
    arms = life.tables.experiments.arms
    assert arms.crossed[:2].tolist() == [0, 400]
    assert arms.count[:2].tolist() == [400, 0]
    life.wait(MINUTE)
    (told,) = decisions(life)
    assert (told.verdict, told.order, told.metric) == (Verdict.SPLIT, Order.NONE, "conversion")
    assert (
        "400 of 800 records of 'conversion' are of units that were in another arm before"
        in told.reason
    )
    assert alerts(life) == [("units shared", "RAISED")]
    assert row(life).split_offset >= 0
    singles(life, range(1_000, 3_000), "control", kind=ResultKind.OBSERVATION)
    singles(life, range(3_000, 5_000), "b")
    assert decisions(life, Verdict.HARM, Verdict.GAIN) == []


def test_a_few_units_in_both_arms_are_left_out_and_hold_nothing() -> None:
    life = alive(spec())
    singles(life, range(2_000), "control")
    singles(life, range(1_991, 4_000), "b")
    life.wait(HOUR)
    assert life.tables.experiments.arms.crossed[:2].tolist() == [0, 9]
    assert decisions(life) == []


def test_units_that_a_rollback_brings_back_to_control_hold_nothing() -> None:
    life = alive(THREE)
    singles(life, range(900), "c", sum=1.0)
    singles(life, range(1_000, 3_000), "control", sum=1.0)
    singles(life, range(3_000, 4_000), "b", sum=0.0)
    life.wait(MINUTE)
    assert [(one.order, one.variant) for one in life.rows()] == [(Order.ROLLBACK, "b")]
    life.report(life.issued()[-1], Status.COMPLETED)
    singles(life, range(3_000, 4_000), "control")
    life.wait(HOUR)
    assert int(life.tables.experiments.arms.crossed.sum()) == 1_000
    assert decisions(life, Verdict.SPLIT) == []
    assert row(life).split_offset < 0


def test_units_that_a_ramp_brings_into_its_treatment_hold_nothing() -> None:
    steps = tuple(
        ShareStep(
            from_=NOON + from_ if from_ else None,
            shares=(Share("control", 1.0 - share), Share("b", share)),
        )
        for from_, share in ((0, 0.1), (HOUR, 0.5))
    )
    life = alive(spec(share_steps=steps))
    singles(life, range(900), "control")
    singles(life, range(900, 1_000), "b")
    life.wait(HOUR)
    singles(life, range(500), "control")
    singles(life, range(500, 1_000), "b")
    life.wait(HOUR)
    assert life.tables.experiments.arms.crossed[: len(life.tables.experiments.arms)].max() == 400
    assert decisions(life, Verdict.SPLIT) == []


ENDING = spec(metrics=(CONVERSION, ERROR), ends_at=NOON + HOUR)


def test_results_from_after_the_end_are_counted_and_order_nothing() -> None:
    life = alive(ENDING)
    send(life, "control", "b", metrics=("conversion", "error"))
    life.now = NOON + 31 * DAY
    send(life, "control", n=5_000, occurred_at=NOON + HOUR, metrics=("error",))
    send(life, "b", n=5_000, occurred_at=NOON + 30 * DAY, metrics=("error",), sum=50.0)
    assert life.issued() == []
    assert row(life).late == 200
    assert row(life).status == ExperimentStatus.RUNNING


def test_an_experiment_ends_at_its_time_and_it_is_told() -> None:
    life = alive(ENDING)
    send(life, "control", "b", metrics=("conversion", "error"))
    life.wait(HOUR - 1)
    assert row(life).status == ExperimentStatus.RUNNING
    life.wait(MINUTE)
    assert (row(life).status, row(life).ended_at) == (ExperimentStatus.ENDED, life.now)
    (told,) = decisions(life, Verdict.ENDED)
    assert (told.order, told.outcome) == (Order.NONE, Outcome.HELD)
    assert "bot/exp ended at 2023-11-14 23:13:20 UTC: b: nothing proved" in told.reason
    life.wait(30 * DAY)
    send(life, "control", n=1_000, metrics=("error",), occurred_at=NOON)
    send(life, "b", n=1_000, metrics=("error",), occurred_at=NOON, sum=50.0)
    assert life.issued() == []
    assert row(life).late == 40
    life.send(SPECS, [replace(ENDING, event_id="again")])
    assert "it has ended" in decisions(life, Verdict.IGNORED_SPEC)[0].reason


def test_what_came_of_an_expected_count_is_told_at_the_end() -> None:
    life = alive(spec(metrics=(replace(CONVERSION, expected_count=10_000),), ends_at=NOON + HOUR))
    send(life, "control", "b", n=600)
    life.wait(HOUR)
    assert (
        "1 200 of 10 000 expected units of conversion came"
        in decisions(life, Verdict.ENDED)[0].reason
    )


def test_a_backlog_from_before_the_end_is_judged_to_its_end() -> None:
    life = alive(ENDING)
    life.wait(30 * DAY)
    life = alive()
    life.now = NOON + 30 * DAY
    life.send(SPECS, [ENDING])
    for _ in range(5):
        life.wait(5 * MINUTE)
        send(life, "control", n=100, metrics=("error",), occurred_at=NOON)
        send(life, "b", n=100, metrics=("error",), occurred_at=NOON, sum=50.0)
    assert [one.order for one in life.rows()] == [Order.ROLLBACK]
    life.wait(5 * MINUTE)
    life.wait(6 * MINUTE)
    assert row(life).status == ExperimentStatus.ENDED
    assert "b: rollback ordered" in decisions(life, Verdict.ENDED)[0].reason


def test_what_was_proved_before_the_end_is_ordered_again_after_it() -> None:
    life = alive(ENDING)
    life.wait(HOUR - 2 * MINUTE)
    send(life, "control", n=1_000, metrics=("error",))
    send(life, "b", n=1_000, metrics=("error",), sum=50.0)
    life.wait(13 * MINUTE)
    assert row(life).status == ExperimentStatus.ENDED
    life.report(life.issued()[-1], Status.REFUSED)
    life.wait(1_000)
    assert [one.phase for one in life.rows()] == [Phase.REFUSED, Phase.ISSUED]


def test_an_end_that_only_we_say_is_refused_in_a_spec() -> None:
    faults = check_spec(replace(ENDING, status=ExperimentStatus.ENDED))
    assert [sentence for _, sentence in faults] == [
        "status ENDED is what ends_at leads to: send STOPPED to end it before"
    ]


@pytest.mark.parametrize("wait_ms", [59_999, 30 * DAY + 1])
def test_a_wait_that_is_no_wait_or_no_alert_is_refused(wait_ms: int) -> None:
    (fault,) = check_policy(replace(POLICY, missing_after_ms=wait_ms))
    assert "missing_after_ms" in fault[1]
