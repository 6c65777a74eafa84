"""However many versions of a model serve, each is watched; where there are too many, it is said."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from agents.core.effects import Output
from agents.drift import preparation
from agents.drift.version_limits import FEW_IDLE_MS, IDLE_MS, VERSIONS_KEPT, VERSIONS_MAX
from agents.flow.pipeline import fold
from schemas.catalog import METRICS
from schemas.records import Decision, Order, Outcome, Verdict
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, NOON, Sent, many, metric, piece
from tests.support.loop import rows
from tests.support.watching import decisions, row, watched

SMALL = {"reference_count": 1_000, "false_alarm_records": 1e4}


def sent(names: list[str], bad: np.ndarray, start: int = 0, now: int = NOON) -> list[Sent]:
    made = many(metric(), len(names), start, model_version=names, sum=bad.astype(float))
    return [Sent(one.raw, one.at, now) for one in made]


def feed(state: PartitionState, records: list[Sent]) -> list[Decision]:
    return decisions(list(fold(piece(METRICS, records), state, CODEC).outputs))


def served(
    versions: int, rounds: int, rng: np.random.Generator, rate: float, decayed: str = ""
) -> tuple[list[str], np.ndarray]:
    names = [f"v{n}" for _ in range(rounds) for n in range(versions)]
    rates = np.array([0.9 if name == decayed else rate for name in names])
    return names, rng.random(len(names)) < rates


@pytest.mark.parametrize("versions", [8, 9, 20, VERSIONS_MAX])
def test_the_decay_of_one_of_many_versions_that_serve_at_once_is_found(versions: int) -> None:
    state, rng = watched(), np.random.default_rng(1)
    names, bad = served(versions, 6_000 // versions, rng, 0.05)
    assert feed(state, sent(names, bad)) == []
    names, bad = served(versions, 60, rng, 0.05, decayed="v3")
    found = feed(state, sent(names, bad, 10_000))
    assert [(one.model_version, one.verdict) for one in found] == [("v3", Verdict.DRIFT)]
    assert len(row(state).versions) == versions


def test_versions_out_of_service_leave_as_others_come_and_the_last_ones_stay() -> None:
    state = watched()
    for n in range(20):
        feed(state, sent([f"v{n}"] * 200, np.zeros(200), n * 200, NOON + n * IDLE_MS))
    assert [one.model_version for one in row(state).versions] == [
        f"v{n}" for n in range(20 - VERSIONS_KEPT, 20)
    ]


def test_versions_that_hardly_sent_leave_after_an_hour_and_those_that_serve_stay() -> None:
    state = watched()
    feed(state, sent([f"v{n}" for n in range(4) for _ in range(200)], np.zeros(800)))
    feed(state, sent([f"typo {n}" for n in range(40)], np.zeros(40), 1_000))
    assert len(row(state).versions) == 44
    feed(state, sent(["v9"], np.zeros(1), 2_000, NOON + FEW_IDLE_MS + 100))
    kept = [one.model_version for one in row(state).versions]
    assert (len(kept), kept[:4], kept[-1]) == (VERSIONS_KEPT, ["v0", "v1", "v2", "v3"], "v9")


def test_what_there_is_no_room_for_is_told_once_and_watched_when_there_is() -> None:
    state, rng = watched(), np.random.default_rng(2)
    names, bad = served(VERSIONS_MAX, 150, rng, 0.05)
    assert feed(state, sent(names, bad)) == []
    (told,) = feed(state, sent(["late", "later", "late"], np.ones(3), 10_000, NOON + 1))
    assert (told.verdict, told.order, told.outcome) == (Verdict.MISSING, Order.NONE, Outcome.HELD)
    assert told.model_version == "late"
    assert "64 others have sent within 7 days" in told.reason
    assert (row(state).unwatched, row(state).unwatched_at) == (3, NOON + 1)
    assert feed(state, sent(["late"], np.ones(1), 10_010, NOON + 2)) == []
    again = feed(state, sent(["late"] * 100, np.ones(100), 10_100, NOON + IDLE_MS + 200))
    assert [(one.model_version, one.verdict) for one in again] == [("late", Verdict.DRIFT)]
    assert (row(state).unwatched, row(state).unwatched_at) == (4, -1)


@pytest.mark.parametrize("seed", range(4))
def test_who_leaves_does_not_depend_on_how_the_log_is_cut(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 1_200
    names = [f"v{each}" for each in rng.integers(0, (10, 30, 90, 200)[seed], n)]
    made = many(
        metric(), n, model_version=names, sum=(rng.random(n) < 0.1).astype(float),
        segment=[(None, "a", "b")[each] for each in rng.integers(0, 3, n)],
    )  # fmt: skip
    pause = (FEW_IDLE_MS // 100, IDLE_MS // 200)[seed % 2]
    records = [Sent(one.raw, one.at, NOON + at * pause) for at, one in enumerate(made)]
    whole, parted = watched(reference_count=300), watched(reference_count=300)
    at_once = list(fold(piece(METRICS, records), whole, CODEC).outputs)
    cuts = [0, *sorted(rng.choice(np.arange(1, n), 60, replace=False).tolist()), n]
    in_parts: list[Output] = []
    for start, end in pairwise(cuts):
        in_parts += fold(piece(METRICS, records[start:end]), parted, CODEC).outputs
    assert at_once == in_parts
    assert rows(whole) == rows(parted)


def refused(state: PartitionState, records: list[Sent]) -> list[str]:
    return [one.reason for one in fold(piece(METRICS, records), state, CODEC).refused]


def of_segments(names: list[str], start: int = 0, **fields: Any) -> list[Sent]:
    return many(metric(**fields), len(names), start, segment=names)


def test_a_segment_beyond_those_a_metric_has_room_for_is_refused_and_known_ones_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preparation, "LIVE_SEGMENTS_MAX", 3)
    state = watched()
    assert refused(state, of_segments(["a", "b", "c", "d", "a", "e"])) == ["TOO_MANY_SEGMENTS"] * 2
    assert row(state).versions[0].count == 4
    assert refused(state, of_segments(["a", "b", "c"], 10)) == []
    assert refused(state, of_segments(["d"], 20, metric="another")) == []
    assert refused(state, many(metric(), 5, 30)) == []


def test_a_subject_has_room_for_so_many_metrics_and_segments_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preparation, "LIVE_ROWS_MAX", 5)
    state = watched()
    assert refused(state, of_segments(["a", "b"], metric="first")) == []
    assert (
        refused(state, of_segments(["a", "b", "c"], 10, metric="second"))
        == ["TOO_MANY_SEGMENTS"] * 2
    )
    assert refused(state, many(metric(metric="third"), 2, 20)) == ["TOO_MANY_METRICS"] * 2
    assert refused(state, many(metric(metric="third", subject="other"), 2, 30)) == []


def test_made_up_versions_beyond_the_room_change_nothing_but_their_count() -> None:
    state = watched()
    names = [f"v{n}" for n in range(VERSIONS_MAX + 200)]
    feed(state, sent(names, np.zeros(len(names))))
    before = row(state)
    feed(state, sent(["w1", "w2"], np.zeros(2), 10_000))
    after = row(state)
    assert after == replace(before, unwatched=before.unwatched + 2)
    feed(state, sent(["v3"] * 50, np.ones(50), 20_000))
    assert next(one for one in row(state).versions if one.model_version == "v3").bad == 50
    assert row(state).unwatched == after.unwatched
