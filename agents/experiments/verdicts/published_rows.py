"""Fills in the evidence that people read in the rows, from the same functions that decide."""

from math import isfinite, isnan, nan

import numpy as np
from numpy.typing import NDArray

from agents.experiments.evidence.covariate_balance import raw_effect
from agents.experiments.evidence.pair_evidence import evidence_of
from agents.experiments.evidence.pair_interval import interval_given, shown_interval
from agents.experiments.evidence.pair_likely import likely_effect
from agents.experiments.evidence.pair_needs import units_needed
from agents.experiments.evidence.pair_points import state_of, told
from agents.experiments.plan.terms import EVIDENCE_KINDS, Method
from schemas.compiled import compiled
from state.arms_table import EVIDENCE_KIND_SYMBOLS, STATES, ArmRows
from state.pairs.pair_arrays import Pairs
from state.partition.experiment_tables import ExperimentTables

Ints = NDArray[np.int64]
_KIND_CODES = np.array([EVIDENCE_KIND_SYMBOLS.index(kind) for kind in EVIDENCE_KINDS])  # by Method
_OK, _WAIT, _MISSING = (STATES.index(name) for name in ("OK", "WAIT", "MISSING"))


def refresh(tables: ExperimentTables) -> None:
    """Sets effect, interval, evidence and state of the changed rows from their totals and latches
    alone.
    """
    rows = tables.arms.dirty_rows()
    if len(rows):
        _refresh_all(tables.arms.records, tables.pairs, rows)


@compiled
def _refresh_all(rows: ArmRows, pairs: Pairs, changed: Ints) -> None:
    for row in changed:
        arm = rows[row]
        arm.evidence_kind = _KIND_CODES[arm.method] if arm.control >= 0 else 0
        if arm.leads:
            arm.state = _OK
        if arm.method == Method.NONE:
            continue
        if arm.control >= 0:
            _refresh_pair(rows, pairs, row)
        else:
            arm.state = _MISSING if arm.count >= arm.min_count else _WAIT


@compiled
def _refresh_pair(rows: ArmRows, pairs: Pairs, pair: int) -> None:
    arm = rows[pair]
    harm, gain, enough = evidence_of(rows, pairs, pair)
    effect, present_low, present_high = interval_given(rows, pairs, pair, 1.0, harm, gain)
    low, high = shown_interval(rows, pair, present_low, present_high)
    arm.effect, arm.low, arm.high = _or_nan(effect), _or_nan(low), _or_nan(high)
    arm.log_e_harm, arm.log_e_gain = told(harm), told(gain)
    arm.raw_effect = _or_nan(raw_effect(rows, pairs, pair))
    arm.likely = _or_nan(likely_effect(rows, pairs, pair))
    arm.expected_more = units_needed(rows, pairs, pair, harm, gain)
    arm.state = state_of(rows, pair, enough, isnan(present_low))


@compiled
def _or_nan(value: float) -> float:
    return value if isfinite(value) else nan
