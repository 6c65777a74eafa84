"""What a record adds to the row of its arm, and whether it makes sense for the kind of its
metric.
"""

from dataclasses import dataclass

import numpy as np

from agents.core.batch import Facts, Floats, Ints
from agents.experiments.plan.frozen_plan import plan
from agents.experiments.plan.terms import Tally, tally_of
from agents.experiments.totals.burn_in import BurnIn
from agents.experiments.totals.totals import Flags
from schemas.refusals import RefusedRecord
from schemas.validation.results_and_metrics import COUNT_MAX
from state.arms_table import ARM_NAMES
from state.partition.experiment_tables import ExperimentTables
from state.storage.columnar_table import Hashes

MIXED_KINDS = "MIXED_KINDS"
_MOST = float(COUNT_MAX)
_ROUNDING = 1.0 - 1e-9  # a producer may add up its squares in another order


@dataclass(frozen=True, slots=True)
class Contributions:
    """What each record is, each shape (n,).

    rows: of its arm, -1 where it has none; tally: its Tally; known, snapshots: whether its metric
    has rows, and whether these are made of snapshots; ends_at: from which moment on its experiment
    judges no more, ms.
    """

    rows: Ints
    tally: Ints
    known: Flags
    snapshots: Flags
    ends_at: Ints


@dataclass(frozen=True, slots=True)
class Additions:
    """What each record adds to its row, each shape (n,)."""

    count: Ints
    hits: Ints
    total: Floats
    squares: Floats


def measure_of(facts: Facts, tables: ExperimentTables, whole: Hashes) -> Contributions:
    """Of known rows as they are; of others as they would be, because a refused record opens no
    row.
    """
    found = tables.arms.find(whole)
    of_rows = (tables.arms[column][found] for column in ("tally", "snapshots", "ends_at"))
    tally, snapshots, ends_at = of_rows
    measure = Contributions(found, tally, found >= 0, snapshots, ends_at)
    if measure.known.all():
        return measure
    unknown = np.flatnonzero(~measure.known)
    _, first, again = np.unique(whole[unknown], return_index=True, return_inverse=True)
    names = [facts.batch.column(name) for name in ARM_NAMES[:3]]
    plans = [plan(tables, *(column[int(at)].as_py() for column in names)) for at in unknown[first]]
    measure.tally[unknown] = np.array([tally_of(planned.spec) for planned in plans])[again]
    measure.known[unknown] = np.array([planned.begun for planned in plans])[again]
    measure.snapshots[unknown] = np.array([planned.snapshots for planned in plans])[again]
    measure.ends_at[unknown] = np.array([planned.ends_at for planned in plans])[again]
    return measure


def additions_of(facts: Facts, tally: Ints, burn_in: BurnIn, repeated: Flags) -> Additions:
    """repeated: (n,) records of units that are not to be counted again."""
    count, total, squares = facts.ints("count"), facts.floats("sum"), facts.floats("sum_squares")
    single = count == 1
    total = np.where(single & (tally == Tally.MEAN), np.minimum(total, burn_in.cap), total)
    with np.errstate(over="ignore"):
        squares = np.where(single, total * total, squares)
    hits = np.where(tally == Tally.LATENCY, total > burn_in.limit, np.abs(total) < _MOST)
    counted = np.where(hits & (tally != Tally.LATENCY), total, 0.0)
    hits = np.where(tally == Tally.LATENCY, hits, np.where(tally == Tally.MEAN, 0.0, counted))
    kept = burn_in.over & ~repeated
    if not kept.all():  # a burn-in counts units and adds nothing else
        hits, total, squares = (np.where(kept, values, 0.0) for values in (hits, total, squares))
        count = np.where(repeated, 0, count)
    return Additions(count, hits.astype(np.int64), total, squares)


def senseless(facts: Facts, measure: Contributions, snapshot: bool) -> list[RefusedRecord]:
    """Records that are well-formed and still make no sense for the kind of their metric; snapshot:
    they all are.
    """
    tally, count = measure.tally, facts.ints("count")
    is_count = (tally == Tally.RATE) | (tally == Tally.COUNT)
    sums = facts.floats("sum")
    whole_number = (sums == np.floor(sums)) & (sums >= 0.0) & (sums < _MOST)
    latency, mixed = tally == Tally.LATENCY, measure.known & (measure.snapshots != snapshot)
    squares = facts.floats("sum_squares")
    with np.errstate(over="ignore"):
        squares = np.where((count == 1) & ~latency, sums * sums, squares)
        # No numbers have squares that add up to less than the square of their sum by their count.
        too_few = squares < sums * sums / count * _ROUNDING
    checks = (
        (
            mixed,
            MIXED_KINDS,
            "a metric of an experiment has OBSERVATION or SNAPSHOT records, never both",
        ),
        (
            latency & snapshot,
            "LATENCY_SNAPSHOT",
            "a LATENCY is counted request by request: send OBSERVATION records",
        ),
        (
            is_count & ~whole_number,
            "NOT_A_COUNT",
            "the sum of a RATE or COUNT is a whole number from 0 to 10^12",
        ),
        (
            (tally == Tally.RATE) & (sums > count),
            "RATE_ABOVE_ONE",
            "the sum of a RATE is at most its count",
        ),
        (latency & (count != 1), "LATENCY_COUNT", "a LATENCY record is one request: count 1"),
        (np.isinf(squares), "TOO_LARGE_A_VALUE", "its square is not finite"),
        (
            (tally != Tally.RATE) & too_few,
            "IMPOSSIBLE_SQUARES",
            "sum_squares is less than sum * sum / count",
        ),
    )
    refused: dict[int, RefusedRecord] = {}
    for bad, code, sentence in checks:
        for i in np.flatnonzero(bad):
            refused.setdefault(
                int(i),
                RefusedRecord(int(i), code, f"{sentence} (sum {sums[i]:g}, count {count[i]})"),
            )
    return [refused[i] for i in sorted(refused)]
