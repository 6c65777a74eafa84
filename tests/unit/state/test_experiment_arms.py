"""What an index of arms keeps at hand: enough for a slice of several large experiments."""

import pytest

from agents.flow.pipeline import fold
from schemas.catalog import RESULTS
from state import experiment_arms
from state.experiment_arms import ExperimentArms, ExperimentIndex
from tests.support.builders import CODEC, piece, result, sent, tables

EXPERIMENTS, SEGMENTS = 3, 40


def test_an_experiment_is_gathered_once_a_slice_however_its_records_alternate_with_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(experiment_arms, "HELD", EXPERIMENTS * SEGMENTS // 2)
    gathered, gather = list[int](), ExperimentIndex._gathered

    def counted(self: ExperimentIndex, number: int) -> ExperimentArms:
        gathered.append(number)
        return gather(self, number)

    monkeypatch.setattr(ExperimentIndex, "_gathered", counted)
    state = tables()
    for at in (0, EXPERIMENTS * SEGMENTS):
        numbers = range(at, at + EXPERIMENTS * SEGMENTS)
        records = [
            result(n, experiment_id=f"e{n % EXPERIMENTS}", segment=f"s{n}", unit_id=str(n))
            for n in numbers
        ]
        gathered.clear()
        effects = fold(piece(RESULTS, sent(records, at)), state, CODEC)
        assert effects.applied == len(records)
        assert len(gathered) == len(set(gathered)) <= EXPERIMENTS
    assert gathered, "all of it fits at hand, and the test shows nothing"


def test_what_is_kept_between_slices_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment_arms, "HELD", SEGMENTS)
    state = tables()
    records = [
        result(n, experiment_id=f"e{n % EXPERIMENTS}", segment=f"s{n}", unit_id=str(n))
        for n in range(EXPERIMENTS * SEGMENTS)
    ]
    fold(piece(RESULTS, sent(records)), state, CODEC)
    index = state.experiments.index
    assert sum(one.rows for one in index._held.values()) == index._rows_held
    assert index._rows_held <= SEGMENTS or len(index._held) == 1
