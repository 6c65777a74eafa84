"""Experiments that overlap are tied to each other: to which, by what, and at what cost."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.flow.pipeline import rebuild
from schemas.catalog import RESULTS, SPECS
from schemas.records import ExperimentStatus, Policy
from state.pairs.pair_blocks import NO_BESIDE
from state.partition.partition_state import PartitionState
from state.storage.columnar_table import hash_of_names
from state.storage.table import row_key
from tests.support.builders import CODEC, result, spec
from tests.support.life import Life

NAMES = ("a", "b", "c", "d")
COLUMNS = ("beside_control", "beside_treatment", "beside_since")
Step = tuple[str, str, str]  # experiment, metric, variant; "stop" in place of a metric

one_record = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(("exposure", "conversion", "error")),
    st.sampled_from(("control", "b", "c")),
)
one_stop = st.tuples(st.sampled_from(NAMES), st.just("stop"), st.just(""))
steps_taken = st.lists(st.one_of(one_record, one_record, one_record, one_stop), max_size=25)


def ended(name: str) -> Any:
    return spec(event_id=f"stop-{name}", experiment_id=name, status=ExperimentStatus.STOPPED)


def taken(life: Life, number: int, step: Step) -> None:
    name, metric, variant = step
    if metric == "stop":
        life.send(SPECS, [ended(name)])
        return
    one = result(number, experiment_id=name, metric=metric, variant=variant, sum=1.0)
    life.send(RESULTS, [one])


def known(state: PartitionState) -> dict[Any, Any]:
    """What each row knows of the arms of the experiment that its own is tied to."""
    arms = state.experiments.arms
    return {
        arms.keys[row]: tuple(int(arms[column][row]) for column in COLUMNS)
        for row in range(len(arms))
    }


def restarted(state: PartitionState) -> PartitionState:
    fresh = PartitionState(0, 1)
    fresh.now = state.now
    for topic, table in state.all().items():
        fresh.all()[topic].restore(list(table.snapshot(CODEC)), CODEC)
    rebuild(fresh)
    return fresh


def tied(life: Life) -> dict[str, str | None]:
    return {row.experiment_id: row.overlaps for row in life.tables.experiments.experiments.rows()}


@settings(max_examples=40)
@given(steps_taken)
def test_what_rows_know_of_another_experiment_is_what_a_restart_works_out(
    steps: list[Step],
) -> None:
    life = Life(Policy(event_id="p", policy_id="all"))
    for number, step in enumerate(steps):
        taken(life, number, step)
        fresh = restarted(life.tables)
        assert known(life.tables) == known(fresh)
        mine, theirs = life.tables.experiments.begun, fresh.experiments.begun
        assert mine.last("bot") == theirs.last("bot")


def test_an_experiment_is_tied_to_the_last_that_began_before_it_and_runs() -> None:
    life = Life(Policy(event_id="p", policy_id="all"))
    for number, name in enumerate(NAMES[:3]):
        taken(life, number, (name, "conversion", "control"))
    assert tied(life) == {"a": "b", "b": "a", "c": "b"}
    for name in ("b", "c"):
        life.send(SPECS, [ended(name)])
    taken(life, 3, ("d", "conversion", "control"))
    assert tied(life)["d"] == "a"


def test_units_are_known_by_the_exposures_of_the_other_where_these_come() -> None:
    life = Life(Policy(event_id="p", policy_id="all"))
    for number, (name, metric, variant) in enumerate(
        [
            ("a", "conversion", "control"),
            ("b", "conversion", "control"),
            ("b", "conversion", "b"),
            ("b", "error", "control"),
        ]
    ):
        taken(life, number, (name, metric, variant))
    arms = life.tables.experiments.arms

    def names_of(metric: str) -> tuple[int, int]:
        keys = [("bot", "b", metric, variant, None, None) for variant in ("control", "b")]
        hashes = np.array([hash_of_names(key) for key in keys], np.uint64).view(np.int64)
        return int(hashes[0]), int(hashes[1])

    assert known(life.tables)[arms.keys[0]][:2] == names_of("conversion")
    taken(life, 4, ("b", "exposure", "b"))
    assert known(life.tables)[arms.keys[0]][:2] == names_of("conversion")
    taken(life, 5, ("b", "exposure", "control"))
    assert known(life.tables)[arms.keys[0]][:2] == names_of("exposure")


def test_rows_of_other_experiments_are_not_gone_through_as_rows_are_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A subject of ten thousand made-up names held its partition up."""
    life = Life(Policy(event_id="p", policy_id="all"))
    experiments = life.tables.experiments.experiments

    def no_walk(group: str) -> Any:
        raise AssertionError(f"all experiments of {group} were gone through")

    monkeypatch.setattr(experiments, "rows_of", no_walk)
    records = [
        result(2 * number + at, experiment_id=f"e{number}", variant=variant, sum=1.0)
        for number in range(50)
        for at, variant in enumerate(("control", "b"))
    ]
    life.send(RESULTS, records)
    last = experiments.get(row_key("bot", "e49"))
    assert last is not None
    assert last.overlaps == "e48"


def test_blocks_are_begun_where_a_unit_is_in_both_and_nowhere_else() -> None:
    life = Life(Policy(event_id="p", policy_id="all"))
    number = 0
    for unit in range(40):
        for name in ("a", "b"):
            variant = ("control", "b")[unit % 2]
            one = result(number, experiment_id=name, variant=variant, sum=1.0)
            life.send(RESULTS, [one])
            number += 1
    arms = life.tables.experiments.arms
    assert (arms.beside_control[: len(arms)] != 0).all()
    assert (arms.beside_slot[: len(arms)] == NO_BESIDE).all()
    for unit in range(40):
        for name in (("a", "b"), ("b", "a"))[unit // 2 % 2]:  # known of the one that came first
            variant = ("control", "b")[unit % 2]
            one = result(number, experiment_id=name, variant=variant, unit_id=f"u{unit}", sum=1.0)
            life.send(RESULTS, [one])
            number += 1
    assert (arms.beside_slot[: len(arms)] != NO_BESIDE).sum() == 2
