"""What follows where values of a live metric are unusual: a decision, an alert, a sign."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.core.effects import Output
from agents.flow.pipeline import fold, rebuild
from schemas.catalog import COMMANDS, METRICS, TABLES_ANOMALIES, TICKS
from schemas.records import (
    Alert,
    AlertRule,
    AlertState,
    AnomalyPattern,
    AnomalyRow,
    AnomalyWatch,
    Decision,
    Operator,
    Order,
    Outcome,
    PatternFact,
    PatternFactKind,
    Severity,
    Tick,
    Verdict,
)
from state.partition.partition_state import PartitionState
from state.storage.table import row_key
from tests.support.builders import CODEC, NOON, Sent, many, metric, piece, tables
from tests.support.watching import decisions, watched

Floats = NDArray[np.float64]

STEP_MS = 300_000
MINUTE_MS = 60_000
N = 800
FIRST = 8  # records of a row, which make no point
AT = 600  # the point that is unusual


def calm(seed: int = 1) -> Floats:
    return 50.0 + np.random.default_rng(seed).standard_normal(N)


def spiked(seed: int = 1) -> Floats:
    values = calm(seed)
    values[AT] = 90.0
    return values


def records(values: Floats, step: int = STEP_MS, first: int = 0, **fields: Any) -> list[Sent]:
    """One record of each value, so far apart, the last of them before noon; first: its offset."""
    moments = NOON - step * (len(values) - np.arange(len(values)))
    base = metric(**{"metric": "queue", **fields})
    return many(base, len(values), first, sum=values, occurred_at=moments)


def many_of_segments(segments: NDArray[np.str_]) -> list[Sent]:
    """A record each half a minute, of these segments in turn."""
    moments = NOON - MINUTE_MS // 2 * (N - np.arange(N)) - NOON % MINUTE_MS
    base = metric(metric="queue")
    return many(base, N, sum=calm(), occurred_at=moments, segment=segments.tolist())


def folded(state: PartitionState, sent: list[Sent]) -> list[Output]:
    effects = fold(piece(METRICS, sent), state, CODEC)
    assert not effects.refused
    return list(effects.outputs)


def alerts(outputs: list[Output]) -> list[Alert]:
    return [one.record for one in outputs if isinstance(one.record, Alert)]


def series(state: PartitionState, name: str = "queue", segment: str | None = None) -> AnomalyRow:
    row = state.anomalies.series.get(row_key("bot", name, segment))
    assert row is not None
    return row


def tick(state: PartitionState, after_ms: int) -> list[Output]:
    sent = [Sent(CODEC.encode(Tick(0, NOON)), 0, NOON + after_ms)]
    return list(fold(piece(TICKS, sent), state, CODEC).outputs)


def test_it_is_decided_told_and_remembered_and_orders_nothing() -> None:
    outputs = folded(tables(), records(spiked()))

    (decision,) = decisions(outputs)
    assert (decision.verdict, decision.order, decision.outcome) == (
        Verdict.ANOMALY,
        Order.NONE,
        Outcome.HELD,
    )
    (evidence,) = decision.evidence
    assert (evidence.first_offset, evidence.last_offset, evidence.estimate) == (AT, AT, 90.0)
    raised, resolved = alerts(outputs)
    assert (raised.state, resolved.state) == (AlertState.RAISED, AlertState.RESOLVED)
    assert raised.alert_id == resolved.alert_id
    assert decision.reason in raised.message
    signals = [one.record.signal for one in outputs if isinstance(one.record, PatternFact)]
    assert "queue SPIKE" in signals
    assert not {one.topic for one in outputs} & set(COMMANDS.values())


def test_the_sentence_says_what_was_seen_what_was_expected_since_when_and_what_ends_it() -> None:
    (decision,) = decisions(folded(tables(), records(spiked())))

    assert decision.reason.startswith("bot: queue reached 90, where 4")
    assert " was usual before (SPIKE, one in " in decision.reason
    assert ", since 2023-11-14 05:33:20 UTC; " in decision.reason
    assert decision.reason.endswith("over once 50 points in a row are usual")


def test_the_row_says_what_is_unusual_while_it_is() -> None:
    state = tables()
    folded(state, records(spiked())[: AT + 1])
    during = series(state)
    folded(state, records(spiked())[AT + 1 :])

    assert (during.pattern, during.seen, during.told) == (AnomalyPattern.SPIKE, 90.0, 1)
    assert during.since == NOON - STEP_MS * (N - AT)
    assert (series(state).pattern, series(state).since) == (AnomalyPattern.NONE, -1)


def test_a_policy_ends_the_watch() -> None:
    state = watched(anomalies=AnomalyWatch.OFF)

    assert folded(state, records(spiked())) == []
    assert list(state.anomalies.series.rows()) == []


def test_a_policy_may_ask_for_more_before_it_is_told() -> None:
    rule = AlertRule(
        "metric unusual", "metrics.unusual", Operator.ABOVE, 300.0, Severity.HIGH, "{key}"
    )
    outputs = folded(watched(alerts=(rule,)), records(spiked()))

    assert [one.verdict for one in decisions(outputs)] == [Verdict.ANOMALY]
    assert alerts(outputs) == []


def test_the_alerts_of_a_tenant_silence_no_others() -> None:
    state, outputs = tables(), list[Output]()
    for number in range(8):
        name = f"gauge {number}"
        sent = records(spiked(), first=N * number, subject="loud/bot", metric=name)
        outputs += folded(state, sent)
    quiet = folded(state, records(spiked(), first=8 * N, subject="other/bot"))

    raised = [one for one in alerts(outputs) if one.state == AlertState.RAISED]
    assert [one.count for one in raised] == [1, 1, 1, 1, 5]
    assert [one.count for one in alerts(quiet)] == [1, 1]


def test_each_metric_of_a_subject_has_an_alert_of_its_own() -> None:
    state = tables()
    first = alerts(folded(state, records(spiked(), metric="a")[: AT + 1]))
    second = alerts(folded(state, records(spiked(), first=N, metric="b")))

    assert [one.state for one in first] == [AlertState.RAISED]
    assert [one.state for one in second] == [AlertState.RAISED, AlertState.RESOLVED]
    assert second[0].alert_id == second[1].alert_id != first[0].alert_id


def test_records_of_a_rate_make_one_point_for_each_minute() -> None:
    state = tables()
    values = (np.random.default_rng(2).random(N) < 0.1).astype(np.float64)
    folded(state, records(values, step=10_000, metric="error"))

    assert series(state, "error").points == (N - FIRST) * 10_000 // MINUTE_MS


def test_gauges_that_come_fast_make_one_point_for_each_minute() -> None:
    state = tables()
    folded(state, records(calm(), step=1_000))

    assert series(state).points < 32 + N * 1_000 // MINUTE_MS + 2


def test_each_segment_is_a_series_and_together_they_are_one_by_the_minute() -> None:
    state = tables()
    segments = np.where(np.arange(N) % 2 == 0, "se", "de")
    folded(state, many_of_segments(segments))

    assert series(state, segment="se").points == series(state, segment="de").points
    assert series(state, segment="se").points == N // 2 - FIRST
    assert series(state).points == (N - FIRST) // 2 - 1  # the last minute is open


def test_any_cut_gives_the_same_rows_and_outputs() -> None:
    whole, parts = tables(), tables()
    sent = records(spiked())
    outputs = folded(whole, sent)
    cut = [
        output for start in range(0, N, 37) for output in folded(parts, sent[start : start + 37])
    ]

    assert cut == outputs
    assert list(parts.anomalies.series.rows()) == list(whole.anomalies.series.rows())


def test_a_restart_in_an_episode_changes_nothing() -> None:
    whole, stopped, started = tables(), tables(), tables()
    sent = records(spiked())
    outputs = folded(whole, sent)
    before = folded(stopped, sent[: AT + 5])
    for topic, table in started.all().items():
        table.restore(stopped.all()[topic].changed(CODEC), CODEC)
    rebuild(started)
    after = folded(started, sent[AT + 5 :])

    assert before + after == outputs
    one, other = (dict(state.all()[TABLES_ANOMALIES].snapshot(CODEC)) for state in (whole, started))
    assert one == other


def test_a_series_that_falls_silent_is_told_while_it_is_and_once() -> None:
    state = tables()
    folded(state, records(calm()))

    early = tick(state, 45 * MINUTE_MS)
    late = tick(state, 55 * MINUTE_MS)
    again = tick(state, 56 * MINUTE_MS)

    assert decisions(early) == decisions(again) == []
    (decision,) = decisions(late)
    assert decision.verdict == Verdict.ANOMALY
    assert "bot: queue has sent nothing for 3299 s" in decision.reason
    assert series(state).pattern == AnomalyPattern.MISSING
    assert [one.state for one in alerts(late)] == [AlertState.RAISED]


def test_what_is_silent_is_the_same_after_a_restart() -> None:
    state, started = tables(), tables()
    folded(state, records(calm()))
    for topic, table in started.all().items():
        table.restore(state.all()[topic].changed(CODEC), CODEC)
    rebuild(started)

    assert tick(started, 55 * MINUTE_MS) == tick(state, 55 * MINUTE_MS) != []


def test_a_level_that_changed_is_dated_and_remembered() -> None:
    values = calm()
    values[400:] += 6.0
    state = tables()
    outputs = folded(state, records(values))

    row = series(state)
    assert row.level_since == NOON - STEP_MS * (N - 400)
    assert abs(row.level - 56.0) < 0.5
    assert abs(row.level_before - 50.0) < 0.5
    facts = [one.record for one in outputs if isinstance(one.record, PatternFact)]
    assert {(one.signal, one.kind) for one in facts} >= {("queue CHANGE", PatternFactKind.SIGNAL)}


def test_what_leaves_while_it_is_unusual_ends_its_alert() -> None:
    state = tables()
    folded(state, records(spiked())[: AT + 1])

    outputs = tick(state, 31 * 24 * 60 * MINUTE_MS)

    assert list(state.anomalies.series.rows()) == []
    assert [one.state for one in alerts(outputs)] == [AlertState.RESOLVED]


def test_missing_points_of_an_open_episode_are_not_told_twice() -> None:
    state = tables()
    folded(state, records(spiked())[: AT + 1])

    assert [one for one in tick(state, 55 * MINUTE_MS) if isinstance(one.record, Decision)] == []


def test_names_of_which_little_comes_take_no_room() -> None:
    state = tables()
    folded(state, records(calm())[:FIRST])

    assert list(state.anomalies.series.rows()) == []
