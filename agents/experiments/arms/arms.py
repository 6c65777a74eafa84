"""Opens the rows of the hot table and links each to its control or treatments, as its experiment's
frozen row says.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agents.core.batch import Ints
from agents.core.policies import EXPOSURE
from agents.experiments.arms.overlaps import meet, rebuild_ties, tie
from agents.experiments.arms.rebuild_links import relink
from agents.experiments.evidence.blocks import lacks_beside
from agents.experiments.evidence.pair_interval import next_mark
from agents.experiments.evidence.ramp_links import rebuild_ramps, refresh_ramp
from agents.experiments.plan.derived_columns import OF_ARM, OF_EXPERIMENT, OF_METRIC, Reading
from agents.experiments.plan.frozen_plan import hastened, started, with_metric
from agents.experiments.plan.terms import (
    NEVER,
    Method,
    compared,
    frozen_of,
    may_command,
    plan_of,
)
from agents.experiments.totals.burn_in import units_learned
from schemas.records import ExperimentRow, Pair
from state.arms_table import NULLABLE, STATES
from state.experiment_arms import NO_ROW, NONE_YET, SEVERAL
from state.pairs.pair_blocks import (
    CONTROL_ADJUSTED,
    CONTROL_COVARIATE,
    CONTROL_KNOWN,
    CONTROL_SUM,
    CONTROL_UNITS,
    NO_BESIDE,
    NO_BLOCKS,
    TREATMENT_ADJUSTED,
    TREATMENT_COVARIATE,
    TREATMENT_KNOWN,
    TREATMENT_SUM,
    TREATMENT_UNITS,
)
from state.pairs.ramp_table import NO_SLOT
from state.pairs.unit_buckets import NO_BUCKETS
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key

Flags = NDArray[np.bool_]
WAIT = STATES.index("WAIT")
_NOWHERE_YET = ("base_offset", "unnamed_offset", "harm_offset", "gain_offset", "unstable_offset")

# Of an open block: units, what they add up to, and what their covariates told, of either arm.
_OF_CONTROL = CONTROL_UNITS, CONTROL_SUM, CONTROL_ADJUSTED, CONTROL_KNOWN, CONTROL_COVARIATE
_OF_TREATMENT = (
    *(TREATMENT_UNITS, TREATMENT_SUM, TREATMENT_ADJUSTED, TREATMENT_KNOWN),
    TREATMENT_COVARIATE,
)

Key = tuple[str, str, str, str, str | None, str | None]  # of a row: ARM_NAMES


def open_arm(
    tables: ExperimentTables, hashed: int, key: Key, offset: int, occurred_at: int, now: int
) -> int:
    """Makes the row of an arm first seen at `offset`; starts its experiment if this is its first
    result.
    """
    subject, experiment_id, metric, variant, segment, step = key
    known = tables.experiments.get(row_key(subject, experiment_id))
    experiment = started(tables, subject, experiment_id, offset, occurred_at, now)
    if known is None or known.started_offset < 0:
        experiment = meet(tables, experiment)
    experiment = with_metric(experiment, metric, tables)
    pair = Pair(variant, metric)
    whole = segment is None and step is None
    if (
        whole
        and may_command(experiment, plan_of(experiment, metric), variant)
        and pair not in experiment.pairs
    ):
        experiment = replace(experiment, pairs=(*experiment.pairs, pair))
    if whole and experiment.lacks:
        experiment = hastened(experiment, now, tables)  # it may be what was missing
    if experiment is not tables.experiments.get(row_key(subject, experiment_id)):
        tables.experiments.put(experiment)
    row = tables.arms.add(hashed, key)
    record = tables.arms.records[row]
    for column in _NOWHERE_YET:
        record[column] = -1
    for column in NULLABLE:
        record[column] = np.nan
    frozen = frozen_of(experiment, metric)
    if frozen is not None and plan_of(experiment, metric).cap is None:
        tables.arms.base_offset[row] = frozen.offset
    tables.arms.first_offset[row] = offset
    tables.arms.last_at[row] = -1
    tables.arms.crossed[row] = 0
    tables.arms.largest[row] = 0
    tables.arms.design_effect[row] = 1.0
    tables.arms.state[row] = WAIT
    link(tables, row, key)
    if whole:
        tie(tables, experiment, row)
        doubt(tables, int(tables.arms.experiment_no[row]))
    is_planned = variant == experiment.control or compared(experiment, variant)
    if whole and metric == EXPOSURE and is_planned:
        restart_split(tables, int(tables.arms.experiment_no[row]))
    return row


def restart_split(tables: ExperimentTables, number: int) -> None:
    """Has the split of an experiment, by its number, tested by the units from here on: the others
    came before an arm did that is there now, or were held against it already.
    """
    arms, rows = tables.arms, tables.index[number].rows_of(EXPOSURE)
    for row in rows:
        if not arms.snapshots[row]:
            arms.base_count[row] = arms.count[row]
            arms.harm_offset[row] = -1
    arms.touch(np.array(rows, np.int64))


def rebuild(tables: ExperimentTables) -> None:
    """Works out everything derived, after the stored columns were restored."""
    tables.pending.clear()
    tables.burn_in_buffers.clear()
    relink(tables)
    rebuild_ramps(tables)
    arms, every = tables.arms, np.arange(len(tables.arms))
    known = every[arms.block_slot[every] != NO_BLOCKS]
    arms.block_slot[known] = arms.blocks.keep(arms.block_slot[known])
    _open_blocks(tables, every)
    known = every[arms.bucket_slot[every] != NO_BUCKETS]
    arms.bucket_slot[known] = arms.buckets.keep(arms.bucket_slot[known])
    known = every[arms.beside_slot[every] != NO_BESIDE]
    arms.beside_slot[known] = arms.beside.keep(arms.beside_slot[known])
    for column in ("beside_control", "beside_treatment", "beside_since"):
        arms[column][every] = 0
    rebuild_ties(tables)
    for row, units in units_learned(tables):
        arms.learned_units[row] = units
    waiting = every[_latched(tables, every)]
    for number in np.unique(arms.experiment_no[waiting]).tolist():
        set_waiting(tables, number)


def set_waiting(tables: ExperimentTables, number: int) -> None:
    """Notes of an experiment, by its number, whether something proved may still be decided."""
    arms = tables.arms
    rows = [row for group in tables.index[number].arms.values() for row in group.values()]
    waits = bool(_latched(tables, np.array(rows, np.int64)).any())
    if waits and number not in tables.pending:
        arms.supported[rows] = -1
        tables.pending.add(number)
    elif not waits:
        tables.pending.discard(number)
    arms.waits[rows] = waits


def doubt(tables: ExperimentTables, number: int) -> None:
    """Has an experiment, by its number, decided anew with its next record, if something of it is
    proved: what a decision rests on beside the evidence has changed.
    """
    if number in tables.pending:
        rows = [row for group in tables.index[number].arms.values() for row in group.values()]
        tables.arms.supported[rows] = -1


def _latched(tables: ExperimentTables, rows: Ints) -> Flags:
    arms = tables.arms
    harm = (arms.harm_offset[rows] >= 0) & np.isfinite(arms.harm_level[rows])
    return np.asarray(harm | ((arms.gain_offset[rows] >= 0) & np.isfinite(arms.gain_level[rows])))


def relevel(tables: ExperimentTables, experiment: ExperimentRow) -> None:
    """Works out anew how an experiment's arms are judged, after something was decided of them or is
    open again.
    """
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    if number is None:
        return
    arms, index, reading = tables.arms, tables.index[number], Reading(experiment)
    wholes = [row for group in index.arms.values() for row in group.values()]
    segments = [
        row for (_, _, step), group in index.parts.items() if step is None for row in group.values()
    ]
    for row in (*wholes, *segments):
        _, _, metric, variant, _, _ = arms.keys[row]
        for column, value in zip(
            OF_ARM, reading.of_arm(metric or "", variant or "", None), strict=True
        ):
            arms[column][row] = value
    for column in ("harm_level", "gain_level"):
        arms[column][segments] = NEVER
    totals = np.array([*segments, *(row for row in wholes if arms.snapshots[row])], np.int64)
    arms.method[totals] = arms.totals_method[totals]
    if experiment.split_offset >= 0:
        planned = [row for row in wholes if arms.method[row] == Method.COUNTS]
        arms.harm_level[planned] = NEVER  # it takes the planned shares for those that are
    arms.touch(np.array([*wholes, *segments], np.int64))
    tables.pending.discard(number)  # what a deployment asks for is worked out anew
    set_waiting(tables, number)
    refresh_ramp(tables, experiment)


def link(tables: ExperimentTables, row: int, key: Key) -> None:
    """Fills a row's derived columns and ties it to its control or treatments."""
    subject, experiment_id, metric, variant, segment, step = key
    name = row_key(subject, experiment_id)
    experiment = tables.experiments.get(name)
    assert experiment is not None, f"arm {key} without its experiment's row"
    trial = tables.index.append(name, row, metric, variant, segment, step)
    _derive(tables, row, key, experiment)
    _tie(tables, row, trial.of(metric, segment, step), experiment.control, variant)
    refresh_ramp(tables, experiment, metric)
    # What depends on several rows.
    arms, above = tables.arms, int(tables.arms.control[row])
    arms.aggregate_row[row] = trial.of(metric, None, None).get(variant, row)
    arms.next_mark[row] = next_mark(int(arms.count[row] + (arms.count[above] if above >= 0 else 0)))
    _open_blocks(tables, np.array([row, *compared_with(tables, row)], np.int64))


def _open_blocks(tables: ExperimentTables, rows: Ints) -> None:
    """Begins the blocks of those of these rows that are pairs to be judged in blocks, and have none
    yet. The units of both arms so far are in the first one: those of an arm that came before the
    other, and all of an older release, which had no blocks.
    """
    arms = tables.arms
    rows = rows[(arms.control[rows] >= 0) & (arms.block_slot[rows] == NO_BLOCKS)]
    method = arms.method[rows]
    rows = rows[(method == Method.RATES_IN_BLOCKS) | (method == Method.MEANS_IN_BLOCKS)]
    if len(rows):
        arms.block_slot[rows] = arms.blocks.open(len(rows))
        _bring(tables, rows, arms.control[rows], _OF_CONTROL)
        _bring(tables, rows, rows, _OF_TREATMENT)


def open_beside(tables: ExperimentTables, row: int) -> None:
    """Begins the blocks of the pairs of an arm for units that another experiment has too, because
    such a unit came: it is the first in them.
    """
    for pair in [row, *compared_with(tables, row)]:
        if lacks_beside(tables.arms.records, pair):
            tables.arms.beside_slot[pair] = tables.arms.beside.open(1)[0]


def open_buckets(tables: ExperimentTables, row: int) -> None:
    """Begins the buckets of an arm, because a unit of it came again: units fall into them from the
    next record on.
    """
    tables.arms.bucket_slot[row] = tables.arms.buckets.open(1)[0]


def _bring(
    tables: ExperimentTables, pairs: Ints, rows: Ints, places: tuple[int, int, int, int, int]
) -> None:
    """Puts the units judged so far of these rows into these places of the pairs' open blocks."""
    units, total, *of_covariates = places
    arms, values, slots = tables.arms, tables.arms.blocks.values, tables.arms.block_slot[pairs]
    judged = arms.count[rows] - arms.base_count[rows]
    is_tested = ~(arms.in_burn_in[rows] & np.isinf(arms.cap[rows]))
    is_rate = arms.method[pairs] == Method.RATES_IN_BLOCKS
    values[slots, units] = np.where(is_tested, judged, 0)
    sums = np.where(is_rate, arms.hits[rows], arms.sum[rows])
    values[slots, total] = np.where(is_tested, sums, 0.0)
    for place, column in zip(
        of_covariates, ("adjusted", "covariate_units", "covariate_sum"), strict=True
    ):
        values[slots, place] = np.where(is_tested & ~is_rate, arms[column][rows], 0.0)


def _tie(
    tables: ExperimentTables, row: int, group: dict[str, int], control: str, variant: str
) -> None:
    arms = tables.arms
    others = [other for other in group.values() if other != row]
    arms.next_sibling[[row, others[-1] if others else row]] = others[0] if others else row, row
    if variant == control:
        arms.control[others] = row
        arms.treatment[row] = SEVERAL if len(others) > 1 else others[0] if others else NONE_YET
    elif control in group:
        above = group[control]
        arms.control[row] = above
        arms.treatment[above] = row if arms.treatment[above] == NONE_YET else SEVERAL


def _derive(tables: ExperimentTables, row: int, key: Key, experiment: ExperimentRow) -> None:
    _, _, metric, variant, segment, step = key
    reading, whole = Reading(experiment), segment is None and step is None
    values = dict(zip(OF_EXPERIMENT, reading.of_experiment(), strict=True))
    values |= dict(zip(OF_METRIC, reading.of_metric(metric), strict=True))
    values |= dict(zip(OF_ARM, reading.of_arm(metric, variant, step), strict=True))
    if not whole:
        values |= {"harm_level": NEVER, "gain_level": NEVER}
    snapshots = tables.snapshots.get(row_key(*key[:3])) is not None
    method = values["method"] if whole and not snapshots else values["totals_method"]
    if experiment.split_offset >= 0 and method == Method.COUNTS:
        values["harm_level"] = NEVER
    values |= {
        "leads": variant == experiment.control,
        "is_control": whole and variant == experiment.control,
        "control": NO_ROW,
        "treatment": NONE_YET,
        "in_burn_in": not snapshots and values["in_burn_in"],
        "stepped": values["stepped"] and step is None,
        "snapshots": snapshots,
        "method": method,
        "waits": int(tables.arms.experiment_no[row]) in tables.pending,
        "supported": -1,
        "ramp_slot": NO_SLOT,
        "block_slot": NO_BLOCKS,
        "bucket_slot": NO_BUCKETS,
        "beside_slot": NO_BESIDE,
        "beside_control": 0,
        "beside_treatment": 0,
        "beside_since": 0,
    }
    record = tables.arms.records[row]
    for column, value in values.items():
        record[column] = value


def compared_with(tables: ExperimentTables, row: int) -> list[int]:
    """The treatment rows compared with a control's row, ascending; none of any other."""
    below = int(tables.arms.treatment[row])
    if below == SEVERAL:
        return sorted(other for other in group_of(tables, row) if other != row)
    return [below] if below >= 0 else []


def group_of(tables: ExperimentTables, row: int) -> list[int]:
    """The rows of all arms that a row is compared with, itself first."""
    beside, rows = tables.arms.next_sibling, [row]
    while (following := int(beside[rows[-1]])) != row:
        rows.append(following)
    return rows
