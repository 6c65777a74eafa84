"""The compiled pass over metrics: where it stops, and that it is the same however a log is cut."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from agents.core.effects import Output
from agents.drift.step_through import MetricStop, step_through
from agents.drift.terms import rule_applied, terms_of
from agents.experiments import step_through as step_results
from agents.flow import fold_metrics
from agents.flow.batch_walk import NOT_LET_IN
from agents.flow.pipeline import fold, remember
from schemas.catalog import METRICS
from schemas.records import Direction, MetricKind, MetricSpec, ModelMetric, Policy, Role
from state.metrics.table import MetricsTable
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, NOON, Sent, many, metric, piece, sent, tables
from tests.support.loop import rows
from tests.support.watching import watched

DERIVED = (
    *("how", "is_rate", "upper", "threshold", "needed", "coarse_most", "values_needed"),
    *(
        "season",
        "tolerance",
        "stated",
        "limit",
        "thin",
        "alone",
        "coarse",
        "values_count",
        "awaited",
        "frozen",
    ),
)
LATENCY = MetricSpec("latency", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.LATENCY)


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> list[MetricStop]:
    """Why the loop stopped, each time."""
    met = list[MetricStop]()

    def noted(*arguments: object) -> tuple[int, int]:
        why, at = step_through(*arguments)  # type: ignore[arg-type]
        met.append(MetricStop(why))
        return why, at

    monkeypatch.setattr(fold_metrics, "step_through", noted)
    return met


def send(state: PartitionState, *records: ModelMetric | bytes | None, start: int = 0) -> None:
    fold(piece(METRICS, sent(records, start)), state, CODEC)


def good(n: int, **fields: object) -> ModelMetric:
    return metric(n, **fields)


def test_every_loop_says_by_the_same_numbers_what_is_not_let_in() -> None:
    names = ["UNDECODED", "IMPLAUSIBLE", "ELSEWHERE", "DUPLICATE"]
    assert [MetricStop(number).name for number in NOT_LET_IN] == names
    assert [step_results.Stop(number).name for number in NOT_LET_IN] == names


def test_what_was_folded_before_is_known_again_and_nothing_else_comes_of_it() -> None:
    state, before = watched(), [good(1), good(2, segment="a"), good(1), good(3, count=0)]
    remember(piece(METRICS, sent(before)), state, CODEC)
    assert list(state.drift.metrics.rows()) == []
    effects = fold(piece(METRICS, sent([good(2), good(4)], 4)), state, CODEC)
    assert (effects.applied, effects.duplicates) == (1, 1)


def test_ordinary_records_stop_the_loop_once_at_the_end(stops: list[MetricStop]) -> None:
    state = watched()
    send(state, good(1))
    stops.clear()
    send(state, *(good(n) for n in range(2, 200)), start=1)
    assert stops == [MetricStop.END]


def test_a_row_and_a_version_that_are_new_are_prepared(stops: list[MetricStop]) -> None:
    state = watched()
    for n, fields in enumerate(({}, {"segment": "a"}, {"model_version": "v2"})):
        stops.clear()
        send(state, good(n, **fields), start=n)
        assert stops == [MetricStop.UNPREPARED, MetricStop.UNSETTLED, MetricStop.END]


def test_another_policy_prepares_the_metric_once(stops: list[MetricStop]) -> None:
    state = watched()
    send(state, good(1))
    state.policies["other"] = Policy(event_id="o", policy_id="other", subjects=("elsewhere",))
    stops.clear()
    send(state, good(2), good(3), start=1)
    assert stops == [MetricStop.UNPREPARED, MetricStop.UNSETTLED, MetricStop.END]


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (b"nonsense", MetricStop.UNDECODED),
        (None, MetricStop.UNDECODED),
        (good(9, count=0), MetricStop.IMPLAUSIBLE),
        (good(9, sum=0.5), MetricStop.SENSELESS),
        (good(1), MetricStop.DUPLICATE),
    ],
)
def test_what_is_not_counted_stops_the_loop(
    record: ModelMetric | bytes | None, why: MetricStop, stops: list[MetricStop]
) -> None:
    state = watched()
    send(state, good(1))
    before = rows(state)
    stops.clear()
    send(state, record, good(2), start=1)
    assert stops == [why, MetricStop.END]
    stops.clear()
    other = watched()
    send(other, good(1))
    assert before == rows(other)


def test_a_subject_of_another_partition_is_sent_on(stops: list[MetricStop]) -> None:
    state = tables(partitions=16)
    effects = fold(
        piece(METRICS, sent([good(n, subject=f"s{n}") for n in range(50)])), state, CODEC
    )
    count = stops.count(MetricStop.ELSEWHERE)
    assert count == len(effects.forwards) > 0
    assert effects.applied == 50 - count


def test_a_reference_that_is_complete_and_an_alarm_stop_the_loop(stops: list[MetricStop]) -> None:
    state = watched()
    records = many(metric(segment="a"), 1_100, sum=(np.arange(1_100) >= 1_000).astype(float))
    fold(piece(METRICS, records), state, CODEC)
    # The whole and its segment come to each at once.
    assert Counter(stops) == {
        MetricStop.UNPREPARED: 1,
        MetricStop.ALARM: 2,
        MetricStop.UNSETTLED: 3,  # opened, complete, found bad
        MetricStop.END: 1,
    }


def test_a_limit_that_is_learned_stops_the_loop(stops: list[MetricStop]) -> None:
    state = watched(metrics=(LATENCY,))
    values = np.random.default_rng(1).random(1_200)
    fold(piece(METRICS, many(metric(metric="latency"), 1_200, sum=values)), state, CODEC)
    assert Counter(stops) == {MetricStop.UNPREPARED: 1, MetricStop.UNSETTLED: 2, MetricStop.END: 1}
    (row,) = state.drift.metrics.rows()
    assert row.limit == pytest.approx(0.95, abs=0.02)
    assert row.values == ()


def test_sums_of_several_units_that_cannot_be_judged_stop_the_loop(stops: list[MetricStop]) -> None:
    state = watched(metrics=(LATENCY,))
    records = many(metric(metric="latency", count=10), 150, sum=np.ones(150))
    fold(piece(METRICS, records), state, CODEC)
    assert Counter(stops) == {MetricStop.UNPREPARED: 1, MetricStop.UNSETTLED: 2, MetricStop.END: 1}


def interleaved(n: int, segments: int, versions: int) -> list[Sent]:
    """A stream of two metrics, whose rates of bad units rise in its second half."""
    rng = np.random.default_rng(3)
    kinds = rng.integers(0, 2, n)
    bad = rng.random(n) < np.where(np.arange(n) < n // 2, 0.05, 0.3)
    values = np.where(kinds == 0, bad, rng.exponential(1.0, n) + 2.0 * bad)
    return many(
        metric(),
        n,
        metric=[("error", "latency")[kind] for kind in kinds],
        sum=values.astype(float),
        segment=[f"s{at}" if at < segments else None for at in rng.integers(0, segments + 1, n)],
        model_version=[f"v{at}" for at in rng.integers(0, versions, n)],
    )


def of_many_segments() -> PartitionState:
    return watched(metrics=(LATENCY,), false_alarm_records=1_000.0)


def test_fifty_segments_and_five_versions_are_the_same_however_the_log_is_cut() -> None:
    records, found = interleaved(12_000, 50, 5), []
    for length in (12_000, 997, 1):
        state, outputs = of_many_segments(), list[Output]()
        for first in range(0, len(records), length):
            effects = fold(piece(METRICS, records[first : first + length]), state, CODEC)
            outputs += effects.outputs
        found.append((rows(state), outputs))
    assert len({row.segment for row in state.drift.metrics.rows()}) == 51
    assert any(one.topic == "decisions.v1" for one in found[0][1])
    assert found[0] == found[1] == found[2]


def test_what_is_derived_is_the_same_worked_out_anew() -> None:
    state = of_many_segments()
    fold(piece(METRICS, interleaved(8_000, 50, 5)), state, CODEC)
    metrics, anew = state.drift.metrics, MetricsTable()
    anew.restore(list(metrics.snapshot(CODEC)), CODEC)
    for name in ("error", "latency"):
        terms = partial(terms_of, rule_applied("bot", name, state.drift))
        anew.hold("bot", name, terms, state.policies.changes)
        assert described(anew, name) == described(metrics, name)


def described(table: MetricsTable, name: str) -> dict[str | None, object]:
    """Of each row of a metric what is derived, and which segments are behind the whole."""
    found = dict[str | None, object]()
    of_key: Callable[[str], int] = table._number_of
    for row in table.of_metric("bot", name):
        cells = table.records[of_key(table._key(row))]
        watches = [table.watches[at] for at in table._watches_of[of_key(table._key(row))]]
        flags = [(w["version"], w["barred"], w["begun"], w["is_behind"]) for w in watches]
        found[row.segment] = [np.array(cells[each]).tobytes() for each in DERIVED], flags
        if row.segment is None:
            found["behind"] = [behind(table, int(w["behind"])) for w in watches]
    return found


def behind(table: MetricsTable, at: int) -> set[str | None]:
    named = set[str | None]()
    while at >= 0:
        named.add(table._numbers.key_at(int(table.watches["row"][at])))
        at = int(table.watches["next_behind"][at])
    return named


def test_what_somebody_else_puts_is_what_the_next_record_finds() -> None:
    state = watched()
    send(state, good(1), good(2, segment="a"))
    before = state.drift.metrics.get("bot|error|a")
    assert before is not None
    assert before.versions[0].count == 1
    state.drift.metrics.put(replace(before, share_count=77))
    send(state, good(3, segment="a", occurred_at=NOON), start=2)
    after = state.drift.metrics.get("bot|error|a")
    assert after is not None
    assert (after.versions[0].count, after.share_count) == (2, 78)


def test_a_row_that_left_is_opened_anew_in_its_place() -> None:
    state = watched()
    send(state, good(1), good(2, segment="a"), good(3, segment="b"))
    state.drift.metrics.drop("bot|error|a")
    send(state, good(4, segment="c"), good(5, segment="a"), start=3)
    counts = {row.segment: row.versions[0].count for row in state.drift.metrics.rows()}
    assert counts == {None: 5, "b": 1, "c": 1, "a": 1}


def test_a_row_stands_by_the_terms_that_it_was_taken_in_hand_by_and_no_others() -> None:
    state = watched()
    send(state, good(1))
    metrics = state.drift.metrics
    row = metrics.get("bot|error|")
    assert row is not None
    terms = terms_of(rule_applied("bot", "error", state.drift), row)
    assert metrics.stands_by(row, terms)
    assert not metrics.stands_by(row, terms._replace(needed=terms.needed + 1))
    metrics.let_go(row)
    assert not metrics.stands_by(row, terms)
