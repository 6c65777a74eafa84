"""How much more is needed: what is said is where the evidence then stands."""

from dataclasses import dataclass

import numpy as np
import pytest

from agents.experiments.evidence.blocks import (
    MORE_IS_HARM,
    NO_MARGIN,
    BlockTerms,
    close_block,
)
from agents.experiments.evidence.pair_evidence import evidence_of
from agents.experiments.evidence.pair_needs import TYPICAL, more_units, units_needed
from agents.flow.pipeline import fold
from schemas.catalog import RESULTS, SPECS
from schemas.records import Direction, MetricKind, MetricSpec, Role
from state.pairs.pair_blocks import CONTROL_SUM, NO_BLOCKS, TREATMENT_UNITS
from state.partition.experiment_tables import ExperimentTables
from tests.support.builders import CODEC, piece, result, sent, spec, tables

LEVEL = np.log(20.0)


@dataclass(frozen=True)
class Totals:
    """Of one arm."""

    count: float
    hits: float = 0.0
    sum: float = 0.0
    sum_squares: float = 0.0

    def times(self, grown: float) -> "Totals":
        return Totals(
            self.count * grown, self.hits * grown, self.sum * grown, self.sum_squares * grown
        )


@dataclass(frozen=True)
class Pair:
    """The rows of an experiment's two arms, with whatever totals."""

    tables: ExperimentTables
    control: int
    treatment: int

    @staticmethod
    def of(kind: MetricKind) -> "Pair":
        state = tables()
        metric = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, kind)
        fold(piece(SPECS, sent([spec(metrics=(metric,))])), state, CODEC)
        records = [result(at, variant=one) for at, one in enumerate(("control", "b"))]
        fold(piece(RESULTS, sent(records)), state, CODEC)
        arms = state.experiments.arms
        rows = {arms.keys[row][3]: row for row in range(len(arms)) if arms.keys[row][4] is None}
        arms.harm_level[rows["b"]] = arms.gain_level[rows["b"]] = LEVEL
        return Pair(state.experiments, rows["control"], rows["b"])

    def stand_at(self, control: Totals, treatment: Totals) -> None:
        arms = self.tables.arms
        for row, totals in ((self.control, control), (self.treatment, treatment)):
            arms.count[row], arms.hits[row] = round(totals.count), round(totals.hits)
            arms.sum[row], arms.sum_squares[row] = totals.sum, totals.sum_squares
            arms.base_count[row], arms.in_burn_in[row] = 0, False
            arms.base_offset[row] = 0  # what is counted is chosen
        slot = int(arms.block_slot[self.treatment])
        if slot != NO_BLOCKS:
            arms.blocks.values[slot] = 0.0
            arms.blocks.values[slot, TREATMENT_UNITS : CONTROL_SUM + 1] = [
                *map(round, (treatment.count, treatment.hits, control.count, control.hits))
            ]  # fmt: skip
            close_block(arms.blocks.values, slot, BlockTerms(MORE_IS_HARM, 1.0, NO_MARGIN))

    def evidence(self) -> tuple[float, float]:
        """Of harm and of gain."""
        rows, pairs = self.tables.arms.records, self.tables.pairs
        harm, gain, _ = evidence_of(rows, pairs, self.treatment)
        return harm, gain

    def needed(self) -> float:
        rows, pairs = self.tables.arms.records, self.tables.pairs
        return float(units_needed(rows, pairs, self.treatment, *self.evidence()))


def mean_of(count: float, mean: float) -> Totals:
    """Units of variance 0.2."""
    return Totals(count, sum=count * mean, sum_squares=count * (mean * mean + 0.2))


@pytest.mark.parametrize(
    ("kind", "control", "treatment"),
    [
        (MetricKind.MEAN, mean_of(2_000, 1.0), mean_of(2_000, 1.02)),
        (MetricKind.MEAN, mean_of(2_000, 1.02), mean_of(2_000, 1.0)),
        (MetricKind.RATE, Totals(500, hits=16), Totals(500, hits=24)),
        (MetricKind.RATE, Totals(500, hits=24), Totals(500, hits=16)),
    ],
)
def test_what_goes_on_as_it_began_reaches_its_level_with_the_units_said(
    kind: MetricKind, control: Totals, treatment: Totals
) -> None:
    pair = Pair.of(kind)
    pair.stand_at(control, treatment)
    assert max(pair.evidence()) < LEVEL - 0.7
    grown = 1.0 + pair.needed() / TYPICAL / (control.count + treatment.count)
    pair.stand_at(control.times(grown), treatment.times(grown))
    assert max(pair.evidence()) == pytest.approx(LEVEL, abs=0.7)


def test_nothing_is_said_where_the_effect_points_nowhere() -> None:
    for kind, same in ((MetricKind.MEAN, mean_of(2_000, 1.0)), (MetricKind.RATE, Totals(500, 10))):
        pair = Pair.of(kind)
        pair.stand_at(same, same)
        assert np.isnan(pair.needed())


def test_nothing_is_said_where_no_evidence_would_do_or_too_much_would_be_needed() -> None:
    assert np.isnan(more_units(1_000.0, 0.0, 1.0, 1.0, np.inf))
    assert np.isnan(more_units(1_000.0, 0.0, 1e-12, 1.0, LEVEL))


def test_what_is_missing_of_the_least_count_is_added_over_both_arms() -> None:
    pair = Pair.of(MetricKind.RATE)
    pair.tables.arms.min_count[pair.treatment] = 100
    pair.stand_at(Totals(40, 5), Totals(90, 5))
    assert pair.needed() == 70.0
