"""What the first records of a control arm fix: the cap of a mean and how its values follow each other, a latency's limit.

They depend on the order of the log. Until a cap or a limit stands, records of the metric are counted as units and add
nothing else, in every arm: what fixed it never enters the test. Where the spec states the cap, nothing is left out.
"""

from dataclasses import dataclass, replace

import numpy as np

from agents.judge.autocorrelation import inflation_of
from agents.judge.sides import Flags
from agents.judge.terms import NEVER, learns, plan_of
from agents.slice import Facts, Floats, Ints
from schemas.records import BurnInRow, ExperimentRow, Frozen, MetricKind
from state.table import row_key
from state.tables import Tables

LEARNED = 500  # units of control
LIMIT = 0.99  # quantile of a latency's values; requests that fail are few and far out
CAP = 0.98  # quantile of a mean's values; at a higher one a rise of a fifth in a heavy tail is found too late


@dataclass(frozen=True, slots=True)
class Ended:
    """A metric's burn-in that ended with the record at this position of the facts."""

    trial: int
    metric: str
    record: int


@dataclass(frozen=True, slots=True)
class BurnIn:
    """Of each record, shape (n,): the limit and the cap in force, and whether its metric's burn-in is over."""

    limit: Floats
    cap: Floats
    over: Flags
    ended: tuple[Ended, ...]


def learn(facts: Facts, tables: Tables, rows: Ints, records: Ints) -> BurnIn:
    """Takes in the values that metrics still learn from; rows: the whole row of each of these records."""
    arms, n = tables.arms, len(facts)
    burn_in = BurnIn(np.full(n, NEVER), np.full(n, NEVER), np.ones(n, np.bool_), ())
    burn_in.limit[records], burn_in.cap[records] = arms["limit"][rows], arms["cap"][rows]
    learning = np.flatnonzero(arms["learning"][rows])
    if not len(learning):
        return burn_in
    ended = []
    groups: dict[tuple[int, str], list[int]] = {}
    for row in np.unique(rows[learning]).tolist():
        groups.setdefault((int(arms["trial"][row]), arms.keys[row][2] or ""), []).append(row)
    for (trial, metric), members in groups.items():
        at = learning[np.isin(rows[learning], members)]
        frozen = _take(facts, tables, trial, metric, records[at], arms["is_control"][rows[at]])
        if np.isfinite(burn_in.cap[records[at[0]]]):
            continue  # stated: these records are tested as they are
        before = records[at] if frozen is None else records[at][facts.offsets[records[at]] <= frozen.offset]
        burn_in.over[before] = False
        if frozen is not None:
            after = np.setdiff1d(records[at], before)
            burn_in.limit[after], burn_in.cap[after] = arms["limit"][members[0]], arms["cap"][members[0]]
            ended.append(Ended(trial, metric, int(before[-1])))
    return replace(burn_in, ended=tuple(ended))


def _take(facts: Facts, tables: Tables, trial: int, metric: str, records: Ints, control: Flags) -> Frozen | None:
    """Adds the control's values among these records to the metric's burn-in; what they fix, once they are enough."""
    experiment = tables.experiments.get(tables.trials[trial].key)
    assert experiment is not None
    key = row_key(experiment.subject, experiment.experiment_id, metric)
    row = tables.burn_ins.get(key) or BurnInRow(experiment.subject, experiment.experiment_id, metric, 0, ())
    own = records[control]
    count, values = facts.ints("count")[own], facts.floats("sum")[own]
    units = row.count + np.cumsum(count)
    reached = int(np.searchsorted(units, LEARNED))
    values, single = values[: reached + 1], count[: reached + 1] == 1
    kept = (*row.values, *values[single].tolist())
    if reached == len(own):
        if len(own):
            tables.burn_ins.put(replace(row, count=int(units[-1]), values=kept))
        return None
    tables.burn_ins.drop(key)
    frozen = _frozen(experiment, metric, np.array(kept), int(facts.offsets[own[reached]]))
    tables.experiments.put(replace(experiment, frozen=(*experiment.frozen, frozen)))
    _put_in_force(tables, trial, metric, frozen)
    return frozen


def _frozen(experiment: ExperimentRow, metric: str, values: Floats, offset: int) -> Frozen:
    spec = plan_of(experiment, metric)
    assert learns(experiment, spec), f"{metric} has nothing to learn"
    if spec.kind == MetricKind.LATENCY:
        limit = float(np.quantile(values, LIMIT, method="higher")) if len(values) else None
        return Frozen(metric=metric, limit=limit, inflation=1.0, offset=offset)
    # Of revenue most values are 0: what is extreme is asked among the others.
    sized = values[values > 0.0]
    cap = float(np.quantile(sized, CAP, method="higher")) if len(sized) else None
    return Frozen(metric=metric, cap=cap if spec.cap is None else None, inflation=inflation_of(values), offset=offset)


def _put_in_force(tables: Tables, trial: int, metric: str, frozen: Frozen) -> None:
    index, arms = tables.trials[trial], tables.arms
    groups = [index.arms[metric], *(group for (name, _, _), group in index.parts.items() if name == metric)]
    rows = np.array([row for group in groups for row in group.values()])
    arms["learning"][rows] = False
    arms["inflation"][rows] = frozen.inflation
    if frozen.limit is not None:
        arms["limit"][rows] = frozen.limit
    if frozen.cap is not None:
        arms["cap"][rows] = frozen.cap
