"""Opens the rows of the hot table and links each to its control or treatments, as its experiment's frozen row says."""

from dataclasses import replace

import numpy as np

from agents.judge.experiments import started, with_metric
from agents.judge.marks import next_mark
from agents.judge.terms import (
    NEVER,
    SPLIT_LEVEL,
    Method,
    frozen_of,
    learns,
    levels,
    may_command,
    method_of,
    plan_of,
    ramped,
    shares_of,
    tally_of,
)
from schemas.records import (
    Direction,
    ExperimentRow,
    ExperimentStatus,
    Pair,
)
from state.table import row_key
from state.tables import NULLABLE, STATES, Tables, Trial

WAIT = STATES.index("WAIT")
NONE_YET, SEVERAL = -1, -2  # in column `treatment`, of a control row

Key = tuple[str, str, str, str, str | None, str | None]  # of a row: ARM_NAMES


def open_arm(tables: Tables, hashed: int, key: Key, offset: int) -> int:
    """Makes the row of an arm first seen at `offset`, and starts its experiment if this is its first result."""
    subject, experiment_id, metric, variant, segment, step = key
    experiment = started(tables, subject, experiment_id, offset)
    experiment = with_metric(experiment, metric, tables)
    pair = Pair(variant, metric)
    whole = segment is None and step is None
    if whole and may_command(experiment, plan_of(experiment, metric), variant) and pair not in experiment.pairs:
        experiment = replace(experiment, pairs=(*experiment.pairs, pair))
    if experiment is not tables.experiments.get(row_key(subject, experiment_id)):
        tables.experiments.put(experiment)
    row = tables.arms.add(hashed, key)
    for column in ("base_offset", "unnamed_offset", "harm_offset", "gain_offset", "unstable_offset"):
        tables.arms[column][row] = -1
    for column in NULLABLE:
        tables.arms[column][row] = np.nan
    frozen = frozen_of(experiment, metric)
    if frozen is not None and plan_of(experiment, metric).cap is None:
        tables.arms["base_offset"][row] = frozen.offset
    tables.arms["first_offset"][row] = offset
    tables.arms["state"][row] = WAIT
    link(tables, row)
    return row


def rebuild(tables: Tables) -> None:
    """Works out everything derived, after the stored columns were restored."""
    tables.trials.clear()
    tables.trial_of.clear()
    tables.pending.clear()
    tables.learning.clear()
    arms, n = tables.arms, len(tables.arms)
    # In the order in which arms first came, as when they were opened: it is the order of several findings of one record.
    for row in np.argsort(arms["first_offset"][:n], kind="stable"):
        link(tables, int(row))
    for row in range(n):  # what depends on two rows, whichever came first
        _relate(tables, row)
    latched = (arms["harm_offset"][:n] >= 0) | (arms["gain_offset"][:n] >= 0)
    still_open = np.isfinite(np.minimum(arms["harm_level"][:n], arms["gain_level"][:n]))
    tables.pending.update(int(trial) for trial in np.unique(arms["trial"][:n][latched & still_open]))


def link(tables: Tables, row: int) -> None:
    """Fills a row's derived columns and ties it to its control or treatments."""
    subject, experiment_id, metric, variant, segment, step = _named(tables, row)
    key = row_key(subject, experiment_id)
    experiment = tables.experiments.get(key)
    assert experiment is not None, f"arm {tables.arms.keys[row]} without its experiment's row"
    trial = tables.trial_of.get(key)
    if trial is None:
        trial = tables.trial_of[key] = len(tables.trials)
        tables.trials.append(Trial(key))
    _derive(tables, row, trial, experiment)
    group = tables.trials[trial].of(metric, segment, step)
    group[variant] = row
    _tie(tables, row, group, experiment.control, variant)
    _relate(tables, row)


def _relate(tables: Tables, row: int) -> None:
    """Fills what depends on several rows."""
    _, _, metric, variant, _, _ = _named(tables, row)
    arms, above = tables.arms, int(tables.arms["control"][row])
    arms["whole"][row] = tables.trials[arms["trial"][row]].arms.get(metric, {}).get(variant, row)
    arms["next_mark"][row] = next_mark(arms["count"][[row]] + (arms["count"][[above]] if above >= 0 else 0))[0]


def _named(tables: Tables, row: int) -> Key:
    subject, experiment_id, metric, variant, segment, step = tables.arms.keys[row]
    assert subject is not None
    assert experiment_id is not None
    assert metric is not None
    assert variant is not None
    return subject, experiment_id, metric, variant, segment, step


def _tie(tables: Tables, row: int, group: dict[str, int], control: str, variant: str) -> None:
    arms = tables.arms
    if variant == control:
        others = [other for other in group.values() if other != row]
        arms["control"][others] = row
        arms["treatment"][row] = SEVERAL if len(others) > 1 else others[0] if others else NONE_YET
    elif control in group:
        above = group[control]
        arms["control"][row] = above
        arms["treatment"][above] = row if arms["treatment"][above] == NONE_YET else SEVERAL


def _derive(tables: Tables, row: int, trial: int, experiment: ExperimentRow) -> None:
    _, _, metric, variant, segment, step = _named(tables, row)
    spec, frozen, pair = plan_of(experiment, metric), frozen_of(experiment, metric), Pair(variant, metric)
    whole = segment is None and step is None
    decided = any(done.variant == variant for done in experiment.decided)
    closed = decided or experiment.split_offset >= 0 or experiment.status == ExperimentStatus.STOPPED
    method = method_of(experiment, spec, variant)
    share = shares_of(experiment, variant)[int(step or 0)] if experiment.share_steps else 0.0
    if step is not None and not 0.0 < share < 1.0:
        method = Method.NONE
    harm = gain = NEVER
    if whole and not closed and pair in experiment.pairs:
        harm, gain = levels(experiment, pair, spec)
    elif whole and not closed and method == Method.SPLIT:
        harm = SPLIT_LEVEL
    snapshots = tables.snapshots.get(row_key(*tables.arms.keys[row][:3])) is not None
    limit = frozen.limit if frozen is not None and spec.limit is None else spec.limit
    cap = frozen.cap if frozen is not None and spec.cap is None else spec.cap
    values = {
        "trial": trial,
        "leads": variant == experiment.control,
        "is_control": whole and variant == experiment.control,
        "control": -1,
        "treatment": NONE_YET,
        "method": method,
        "tally": tally_of(spec),
        "sign": 1 if spec.direction == Direction.HIGHER_IS_BETTER else -1,
        "share": share,
        "harm_level": harm,
        "gain_level": gain,
        "alpha": experiment.alpha,
        "min_count": experiment.min_count,
        "limit": limit if limit is not None else NEVER,
        "cap": cap if cap is not None else NEVER,
        "margin": spec.margin,
        "inflation": frozen.inflation if frozen is not None else 1.0,
        "learning": not snapshots and learns(experiment, spec),
        "ramped": ramped(experiment) and step is None,  # within a step the split is fixed
        "snapshots": snapshots,
        "closed_offset": np.iinfo(np.int64).max,
    }
    for column, value in values.items():
        tables.arms[column][row] = value
