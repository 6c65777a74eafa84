"""Fills in the evidence that people read in the rows, from the same function that decides."""

import numpy as np

from agents.experiments.evidence.assess import PairEvidence, assess
from agents.experiments.evidence.effect import Effect, effects, expected_more
from agents.experiments.evidence.ramp_steps import with_strata
from agents.experiments.plan.terms import EVIDENCE_KINDS, Method
from agents.experiments.totals.running_totals import totals_of
from agents.experiments.totals.totals import Flags, Floats, Ints, Sides
from agents.statistics import multinomial
from state.arms_table import EVIDENCE_KIND_SYMBOLS, STATES
from state.partition.experiment_tables import ExperimentTables

_CODE = {name: code for code, name in enumerate(STATES)}
_KIND_CODES = np.array([EVIDENCE_KIND_SYMBOLS.index(kind) for kind in EVIDENCE_KINDS])  # by Method
_UNDECIDED_AT = np.iinfo(np.int64).max


def refresh(tables: ExperimentTables) -> None:
    """Sets effect, interval, evidence and state of the changed rows from their totals and latches
    alone.
    """
    arms = tables.arms
    rows = arms.dirty_rows()
    compared = arms.control[rows] >= 0
    arms.evidence_kind[rows] = np.where(compared, _KIND_CODES[arms.method[rows]], 0)
    arms.state[rows[arms.leads[rows]]] = _CODE["OK"]
    alone = rows[(arms.method[rows] != Method.NONE) & (arms.control[rows] < 0)]
    silent = arms.count[alone] >= arms.min_count[alone]
    arms.state[alone] = np.where(silent, _CODE["MISSING"], _CODE["WAIT"])
    rows = rows[(arms.method[rows] != Method.NONE) & (arms.control[rows] >= 0)]
    if not len(rows):
        return
    sides = Sides(totals_of(tables, arms.control[rows]), totals_of(tables, rows))
    sides = with_strata(tables, rows, sides)
    evidence = assess(arms, rows, np.full(len(rows), _UNDECIDED_AT), sides)
    effect = effects(arms, rows, sides, known=evidence)
    _put_interval(tables, rows, effect)
    arms.effect[rows] = _or_nan(effect.effect)
    arms.log_e_harm[rows], arms.log_e_gain[rows] = _told(evidence.harm), _told(evidence.gain)
    arms.expected_more[rows] = expected_more(arms, rows, sides, evidence)
    arms.state[rows] = _states(tables, rows, sides, evidence, effect)


def _put_interval(tables: ExperimentTables, rows: Ints, effect: Effect) -> None:
    """The interval shown is the running one: what the intervals so far have left of the present
    one.
    """
    arms = tables.arms
    shown = effect.cut(arms.running_low[rows], arms.running_high[rows])
    arms.low[rows], arms.high[rows] = _or_nan(shown.low), _or_nan(shown.high)


def _states(
    tables: ExperimentTables, rows: Ints, sides: Sides, evidence: PairEvidence, effect: Effect
) -> Ints:
    arms = tables.arms
    state = np.where(evidence.enough, _CODE["OK"], _CODE["WAIT"])
    by_mean = arms.method[rows] == Method.MEANS
    missing = sides.control.missing | sides.treatment.missing
    unknown = evidence.enough & np.isnan(effect.low)  # in a ramp, of an arm without a share
    state = np.where(by_mean & (missing | unknown), _CODE["MISSING"], state)
    state = np.where(arms.unstable_offset[rows] >= 0, _CODE["UNSTABLE"], state)
    state = np.where(arms.gain_offset[rows] >= 0, _CODE["GAIN"], state)
    harm: Flags = arms.harm_offset[rows] >= 0
    state = np.where(harm, _CODE["HARM"], state)
    return np.where(harm & (arms.method[rows] == Method.SPLIT), _CODE["SPLIT"], state)


def _or_nan(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def _told(log_e: Floats) -> Floats:
    return np.where(np.isfinite(log_e), log_e, multinomial.NO_EVIDENCE)
