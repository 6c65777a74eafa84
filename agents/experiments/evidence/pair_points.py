"""A pair as it stands where its running interval is cut: the points of which a chart over time is
drawn.
"""

from math import isfinite, isnan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.experiments.evidence.blocks import is_of_means
from agents.experiments.evidence.look import EFFECT, HIGH, LOW
from agents.experiments.evidence.pair_evidence import evidence_of
from agents.experiments.evidence.pair_samples import misses_squares
from agents.experiments.plan.terms import EVIDENCE_KINDS, Method
from agents.statistics.multinomial import NO_EVIDENCE
from schemas.compiled import compiled
from schemas.records import ArmPoint, State
from schemas.row_limits import VARIANTS_MAX
from state.arms_table import STATES, ArmRows
from state.pairs.pair_arrays import Pairs
from state.partition.experiment_tables import ExperimentTables

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

POINTS_MAX = 1_024  # noted before the loop stops to have them taken; a record makes VARIANTS_MAX
_OK, _HARM, _GAIN, _WAIT, _MISSING, _SPLIT, _UNSTABLE = (
    STATES.index(name) for name in ("OK", "HARM", "GAIN", "WAIT", "MISSING", "SPLIT", "UNSTABLE")
)
_PAIR, _RECORD, _COUNT, _CONTROL_COUNT, _STATE, _METHOD = range(6)  # of PointNotes.whole
_STATES = tuple(map(State, STATES))


class PointNotes(NamedTuple):
    """Points as the compiled loop leaves them, in the order of the log.

    whole: shape (n, 6), the pair, the record of the batch, units of treatment and control, the
    state, the method. numbers: shape (n, 7), effect, ends of the present interval and of the
    running one, evidence of harm and gain, in nats. interval: (3,), of the look under way. made:
    (1,), how many points there are.
    """

    whole: Ints
    numbers: Floats
    interval: Floats
    made: Ints


def new_point_notes() -> PointNotes:
    """Room for the points of one pass of the loop."""
    room = POINTS_MAX + VARIANTS_MAX
    whole, numbers = np.empty((room, 6), np.int64), np.empty((room, 7))
    return PointNotes(whole, numbers, np.empty(3), np.zeros(1, np.int64))


@compiled
def note_point(rows: ArmRows, pairs: Pairs, pair: int, record: int, notes: PointNotes) -> None:
    """Notes a pair whose interval was just cut by a record of the batch."""
    at = notes.made[0]
    notes.made[0] = at + 1
    arm, whole, numbers = rows[pair], notes.whole[at], notes.numbers[at]
    harm, gain, enough = evidence_of(rows, pairs, pair)
    whole[_PAIR], whole[_RECORD] = pair, record
    whole[_COUNT], whole[_CONTROL_COUNT] = arm.count, rows[arm.control].count
    whole[_STATE] = state_of(rows, pair, enough, isnan(notes.interval[LOW]))
    whole[_METHOD] = arm.method
    numbers[0] = notes.interval[EFFECT]
    numbers[1], numbers[2] = notes.interval[LOW], notes.interval[HIGH]
    numbers[3], numbers[4] = arm.running_low, arm.running_high
    numbers[5], numbers[6] = told(harm), told(gain)


@compiled
def state_of(rows: ArmRows, pair: int, enough: bool, unbounded: bool) -> int:
    """The state of a pair that people are shown, as its place among STATES."""
    arm = rows[pair]
    if arm.harm_offset >= 0:
        return _SPLIT if arm.method == Method.SPLIT else _HARM
    if arm.gain_offset >= 0:
        return _GAIN
    if arm.unstable_offset >= 0:
        return _UNSTABLE
    # Enough and no interval: in a ramp, of an arm without a share.
    missing = misses_squares(rows, pair) or (enough and unbounded)
    if is_of_means(rows, pair) and missing:
        return _MISSING
    return _OK if enough else _WAIT


@compiled
def told(log_e: float) -> float:
    """Evidence as a number that every reader can read."""
    return log_e if isfinite(log_e) else NO_EVIDENCE


def take_points(
    tables: ExperimentTables, notes: PointNotes, offsets: Ints, appended: Ints
) -> list[ArmPoint]:
    """The records of the points that were noted, which are forgotten; offsets, appended: of the
    batch, shape (n,).
    """
    keys, made = tables.arms.keys, int(notes.made[0])
    notes.made[0] = 0
    whole, numbers = notes.whole[:made].tolist(), notes.numbers[:made].tolist()
    points = []
    for (pair, record, *counts, state, method), (*ends, harm, gain) in zip(
        whole, numbers, strict=True
    ):
        subject, experiment, metric, variant, _, _ = keys[pair]
        effect, low, high, running_low, running_high = map(_known, ends)
        points.append(
            ArmPoint(
                subject=subject or "",
                experiment_id=experiment or "",
                metric=metric or "",
                variant=variant or "",
                offset=int(offsets[record]),
                at=int(appended[record]),
                count=counts[0],
                control_count=counts[1],
                effect=effect,
                low=low,
                high=high,
                running_low=running_low,
                running_high=running_high,
                log_e_harm=harm,
                log_e_gain=gain,
                evidence_kind=EVIDENCE_KINDS[method],
                state=_STATES[state],
            )
        )
    return points


def _known(number: float) -> float | None:
    return number if isfinite(number) else None
