"""Fills in the evidence that people read in the rows, from the same function that decides."""

import numpy as np

from agents.judge.arms import Method
from agents.judge.assess import assess, effects
from agents.judge.decide import totals_of
from agents.slice import Ints
from state.tables import STATES, Tables

_CODE = {name: code for code, name in enumerate(STATES)}
_UNDECIDED_AT = np.iinfo(np.int64).max


def refresh(tables: Tables) -> None:
    """Sets effect, interval, evidence and state of the changed rows from their totals and latches alone."""
    arms = tables.arms
    rows = arms.dirty_rows()
    arms["state"][rows[arms["is_control"][rows]]] = _CODE["OK"]
    rows = rows[(arms["method"][rows] != Method.NONE) & (arms["control"][rows] >= 0)]
    if not len(rows):
        return
    control, treatment = totals_of(tables, arms["control"][rows]), totals_of(tables, rows)
    offsets = np.full(len(rows), _UNDECIDED_AT)
    evidence = assess(arms, rows, offsets, control, treatment)
    shown = effects(arms, rows, control, treatment)
    arms["effect"][rows] = np.where(np.isfinite(shown.effect), shown.effect, np.nan)
    arms["low"][rows], arms["high"][rows] = shown.low, shown.high
    arms["log_e_harm"][rows], arms["log_e_gain"][rows] = evidence.harm, evidence.gain
    arms["state"][rows] = _states(tables, rows, evidence.enough)


def _states(tables: Tables, rows: Ints, enough: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Ints:
    arms = tables.arms
    harm, gain = arms["harm_offset"][rows] >= 0, arms["gain_offset"][rows] >= 0
    state = np.where(enough, _CODE["OK"], _CODE["WAIT"])
    by_mean = arms["method"][rows] == Method.MEANS
    missing = arms["missing_squares"][rows] | arms["missing_squares"][arms["control"][rows]]
    state = np.where(by_mean & missing, _CODE["MISSING"], state)
    state = np.where(gain, _CODE["GAIN"], state)
    state = np.where(harm, _CODE["HARM"], state)
    return np.where(harm & (arms["method"][rows] == Method.SPLIT), _CODE["SPLIT"], state)
