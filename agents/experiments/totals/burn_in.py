"""What the first records of a control arm fix: the cap of a mean and how its values follow each
other, a latency's limit.

They depend on the order of the log. Until a cap or a limit stands, records of the metric are
counted as units and add nothing else, in every arm: what fixed it never enters the test. Where the
spec states the cap, nothing is left out.
"""

from dataclasses import dataclass, replace

import numpy as np

from agents.core.batch import Facts, Floats, Ints
from agents.experiments.plan.terms import NEVER, learns, plan_of
from agents.experiments.totals.totals import Flags
from agents.statistics.running_sums import bring_together, stable_order
from agents.statistics.variance_inflation import inflation_of
from schemas.records import ExperimentRow, Frozen, MetricKind
from state.burn_in_buffers import Buffer
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import ExperimentTables

LEARNED = 500  # units of control
LIMIT = 0.99  # quantile of a latency's values; requests that fail are few and far out
# times the median, which a cap is not below: where all values are alike it would hide any that are
# larger
ROOM = 1.5
# quantile of a mean's values; at a higher one a rise of a fifth in a heavy tail is found too late
CAP = 0.98


@dataclass(frozen=True, slots=True)
class Ended:
    """A metric's burn-in that ended with the record at this position of the facts."""

    trial: int
    metric: str
    record: int


@dataclass(frozen=True, slots=True)
class BurnIn:
    """Of each record, shape (n,): the limit and the cap in force, and whether its metric's burn-in
    is over.
    """

    limit: Floats
    cap: Floats
    over: Flags
    ended: tuple[Ended, ...]


def learn(facts: Facts, tables: ExperimentTables, rows: Ints, records: Ints) -> BurnIn:
    """Takes in the values that metrics still learn from; rows: the whole row of each of these
    records.
    """
    arms, n = tables.arms, len(facts)
    burn_in = BurnIn(np.full(n, NEVER), np.full(n, NEVER), np.ones(n, np.bool_), ())
    burn_in.limit[records], burn_in.cap[records] = arms.limit[rows], arms.cap[rows]
    learning = np.flatnonzero(arms.in_burn_in[rows])
    if not len(learning):
        return burn_in
    # Where the cap is stated only the spread is learnt, and the records are tested as they are.
    burn_in.over[records[learning[np.isinf(arms.cap[rows[learning]])]]] = False
    own = learning[arms.is_control[rows[learning]]]
    own = own[stable_order(rows[own])]
    runs, ended = bring_together(rows[own]), list[Ended]()
    count, values = facts.ints("count")[records[own]], facts.floats("sum")[records[own]]
    units = (
        np.add.reduceat(count, runs.starts) if len(own) else count
    )  # worked out for all: most runs are short
    single = (count == 1).all()
    for row, start, end, more in zip(
        runs.each.tolist(),
        runs.starts.tolist(),
        (runs.ends + 1).tolist(),
        units.tolist(),
        strict=True,
    ):
        buffer = _buffer(tables, row)
        if single and buffer.count + more < LEARNED:
            tables.burn_ins.add(buffer, more, values[start:end])
            continue
        reached = _take(tables, buffer, count[start:end], values[start:end])
        if reached is not None:
            stated, record = bool(np.isfinite(arms.cap[row])), int(records[own[start + reached]])
            frozen = _freeze(tables, row, int(facts.offsets[record]))
            if not stated:
                ended.append(Ended(int(arms.experiment_no[row]), frozen.metric, record))
                members = tables.index[arms.experiment_no[row]].arms[frozen.metric].values()
                mine = records[
                    learning[np.isin(rows[learning], list(members)) & (records[learning] > record)]
                ]
                burn_in.over[mine] = True
                burn_in.limit[mine], burn_in.cap[mine] = arms.limit[row], arms.cap[row]
    return replace(burn_in, ended=tuple(ended))


def _buffer(tables: ExperimentTables, row: int) -> Buffer:
    """Where the values of a control row are kept."""
    buffer = tables.burn_in_buffers.get(row)
    if buffer is None:
        subject, experiment_id, metric = tables.arms.keys[row][:3]
        buffer = tables.burn_in_buffers[row] = tables.burn_ins.of(
            subject or "", experiment_id or "", metric or ""
        )
    return buffer


def _take(tables: ExperimentTables, buffer: Buffer, count: Ints, values: Floats) -> int | None:
    """Adds values to a buffer, those of single units; the position of the one that completes it, if
    one does.
    """
    units = np.cumsum(count)
    enough = buffer.count + int(units[-1]) >= LEARNED
    reached = int(np.searchsorted(units, LEARNED - buffer.count)) if enough else len(count) - 1
    tables.burn_ins.add(
        buffer, int(units[reached]), values[: reached + 1][count[: reached + 1] == 1]
    )
    return reached if enough else None


def _freeze(tables: ExperimentTables, row: int, offset: int) -> Frozen:
    """Puts in force what a control row's values fix."""
    index = tables.index[tables.arms.experiment_no[row]]
    experiment = tables.experiments.get(index.key)
    assert experiment is not None
    buffer = tables.burn_in_buffers.pop(row)
    tables.burn_ins.drop(buffer)
    frozen = _frozen(experiment, buffer.metric, np.array(buffer.values), offset)
    tables.experiments.put(replace(experiment, frozen=(*experiment.frozen, frozen)))
    _put_in_force(tables, index, frozen)
    return frozen


def _frozen(experiment: ExperimentRow, metric: str, values: Floats, offset: int) -> Frozen:
    spec = plan_of(experiment, metric)
    assert learns(experiment, spec), f"{metric} has nothing to learn"
    if spec.kind == MetricKind.LATENCY:
        limit = float(np.quantile(values, LIMIT, method="higher")) if len(values) else None
        return Frozen(metric=metric, limit=limit, inflation=1.0, offset=offset)
    cap = _cap(values) if spec.cap is None else None
    return Frozen(metric=metric, cap=cap, inflation=inflation_of(values), offset=offset)


def _cap(values: Floats) -> float | None:
    """What is extreme among the values above 0, for of revenue most are 0; None where there is
    none.
    """
    sized = values[values > 0.0]
    if not len(sized):
        return None
    return float(
        max(
            np.quantile(sized, CAP, method="higher"),
            ROOM * np.quantile(sized, 0.5, method="higher"),
        )
    )


def _put_in_force(tables: ExperimentTables, index: ExperimentArms, frozen: Frozen) -> None:
    arms, rows = tables.arms, np.array(index.rows_of(frozen.metric))
    arms.in_burn_in[rows] = False
    arms.inflation[rows] = frozen.inflation
    if frozen.limit is not None:
        arms.limit[rows] = frozen.limit
    if frozen.cap is not None:
        arms.cap[rows] = frozen.cap
