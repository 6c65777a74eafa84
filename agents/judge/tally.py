"""What a record adds to the row of its arm, and whether it makes sense for the kind of its metric."""

from dataclasses import dataclass

import numpy as np

from agents.judge import arms as rows_of
from agents.judge.arms import Tally
from agents.slice import Facts, Floats, Ints
from schemas.refusals import Refused
from schemas.validity import COUNT_MAX
from state.columnar import Hashes
from state.tables import ARM_NAMES, Tables

_MOST = float(COUNT_MAX)
_ROUNDING = 1.0 - 1e-9  # a producer may add up its squares in another order


@dataclass(frozen=True, slots=True)
class Measure:
    """How each record is counted, each shape (n,): Tally, the limit of a LATENCY, the cap of a MEAN."""

    tally: Ints
    limit: Floats
    cap: Floats


@dataclass(frozen=True, slots=True)
class Additions:
    """What each record adds to its row, each shape (n,)."""

    count: Ints
    hits: Ints
    total: Floats
    squares: Floats


def measure_of(facts: Facts, tables: Tables, whole: Hashes) -> Measure:
    """Of known rows as they are; of others as they would be, because a refused record opens no row."""
    found = tables.arms.find(whole)
    known = np.maximum(found, 0)
    tally, limit, cap = (tables.arms[name][known] for name in ("tally", "limit", "cap"))
    if (found >= 0).all():
        return Measure(tally, limit, cap)
    unknown = np.flatnonzero(found < 0)
    _, first, again = np.unique(whole[unknown], return_index=True, return_inverse=True)
    names = [facts.batch.column(name) for name in ARM_NAMES[:3]]
    plans = [rows_of.plan(tables, *(column[int(at)].as_py() for column in names)) for at in unknown[first]]
    tally[unknown] = np.array([rows_of.tally_of(spec) for spec in plans])[again]
    limit[unknown] = np.array([rows_of.NEVER if spec.limit is None else spec.limit for spec in plans])[again]
    cap[unknown] = np.array([rows_of.NEVER if spec.cap is None else spec.cap for spec in plans])[again]
    return Measure(tally, limit, cap)


def additions_of(facts: Facts, measure: Measure) -> Additions:
    tally, cap = measure.tally, measure.cap
    count, total, squares = facts.ints("count"), facts.floats("sum"), facts.floats("sum_squares")
    single = count == 1
    total = np.where(single & (tally == Tally.MEAN), np.minimum(total, cap), total)
    with np.errstate(over="ignore"):
        squares = np.where(single, total * total, squares)
    hits = np.where(tally == Tally.LATENCY, total > measure.limit, np.abs(total) < _MOST)
    counted = np.where(hits & (tally != Tally.LATENCY), total, 0.0)
    hits = np.where(tally == Tally.LATENCY, hits, np.where(tally == Tally.MEAN, 0.0, counted)).astype(np.int64)
    return Additions(count, hits, total, squares)


def senseless(facts: Facts, measure: Measure, added: Additions) -> list[Refused]:
    """Records that are well-formed and still make no sense for the kind of their metric."""
    tally = measure.tally
    kind = facts.batch.column("kind").dictionary_encode()
    snapshots = np.isin(
        kind.indices.to_numpy(), [i for i, k in enumerate(kind.dictionary.to_pylist()) if k == "SNAPSHOT"]
    )
    is_count = (tally == Tally.RATE) | (tally == Tally.COUNT)
    sums = facts.floats("sum")
    whole_number = (sums == np.floor(sums)) & (sums >= 0.0) & (sums < _MOST)
    with np.errstate(over="ignore"):
        # No numbers have squares that add up to less than the square of their sum by their count.
        too_few = added.squares < added.total * added.total / added.count * _ROUNDING
    checks = (
        (
            snapshots,
            "SNAPSHOT_NOT_JUDGED",
            "kind SNAPSHOT is not judged: send OBSERVATION records, each adding to the total",
        ),
        (is_count & ~whole_number, "NOT_A_COUNT", "the sum of a RATE or COUNT is a whole number from 0 to 10^12"),
        ((tally == Tally.RATE) & (sums > added.count), "RATE_ABOVE_ONE", "the sum of a RATE is at most its count"),
        ((tally == Tally.LATENCY) & (added.count != 1), "LATENCY_COUNT", "a LATENCY record is one request: count 1"),
        (~np.isfinite(added.squares) & ~np.isnan(added.squares), "TOO_LARGE_A_VALUE", "its square is not finite"),
        ((tally != Tally.RATE) & too_few, "IMPOSSIBLE_SQUARES", "sum_squares is less than sum * sum / count"),
    )
    refused: dict[int, Refused] = {}
    for bad, code, sentence in checks:
        for i in np.flatnonzero(bad):
            refused.setdefault(int(i), Refused(int(i), code, f"{sentence} (sum {sums[i]:g}, count {added.count[i]})"))
    return [refused[i] for i in sorted(refused)]
