"""Folds a slice of experiment results: totals of every arm, evidence after every event, findings where a verdict changes.

Law: however a slice is cut, rows and findings are the same bytes. So totals are carried, evidence is looked at after each
event, and a verdict falls at the event that proves it, not at the end of the batch. Verdicts are latched: once rejected,
stays rejected; they depend on the order of the log.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agents.judge import arms as rows_of
from agents.judge.arms import SEVERAL, Method, Tally
from agents.judge.assess import Totals, assess
from agents.judge.burnin import end_burn_ins
from agents.judge.decide import Looks, decide
from agents.judge.scan import Runs, bring_together, running_floats, running_ints, stable_order
from agents.slice import Facts, Finding, Floats, Ints
from schemas.refusals import Refused
from state.columnar import Hashes, combine, hash_part
from state.tables import ARM_NAMES, Tables, Trial

_TWO_TO_53 = 9007199254740992.0
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


def fold(facts: Facts, tables: Tables) -> tuple[list[Finding], list[Refused]]:
    """Folds results; returns findings in the order of the log and records that make no sense for their metric."""
    parts = [hash_part(facts.batch.column(name)) for name in ARM_NAMES]
    whole = combine([*parts[:4], hash_part(pa.nulls(1, pa.string()))])
    measure = _measure(facts, tables, whole)
    added = _additions(facts, measure)
    refused = _refuse(facts, measure, added)
    good = np.ones(len(facts), np.bool_)
    good[[one.index for one in refused]] = False
    if not good.any():
        return [], refused
    rows, records = _rows(facts, tables, parts, whole, good)
    after = _Running.of(tables, rows, records, added)
    end_burn_ins(tables, after, facts.offsets)
    findings = _look(facts, tables, after)
    after.store(tables, facts.offsets)
    return findings, refused


def _measure(facts: Facts, tables: Tables, whole: Hashes) -> Measure:
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


def _rows(
    facts: Facts, tables: Tables, parts: list[Hashes], whole: Hashes, good: NDArray[np.bool_]
) -> tuple[Ints, Ints]:
    """The rows that the good records add to, and which record adds to each: in the whole, then in segments."""
    segment = np.asarray(facts.batch.column("segment").is_valid().to_numpy(zero_copy_only=False))
    kept, segmented = np.flatnonzero(good), np.flatnonzero(good & segment)
    rows = _find_or_open(facts, tables, whole[kept], kept, False)
    if not len(segmented):
        return rows, kept
    within = _find_or_open(facts, tables, combine([part[segmented] for part in parts]), segmented, True)
    return np.concatenate([rows, within]), np.concatenate([kept, segmented])


def _find_or_open(facts: Facts, tables: Tables, hashes: Hashes, at: Ints, segment: bool) -> Ints:
    found = tables.arms.find(hashes)
    if (found >= 0).all():
        return found
    unknown = np.flatnonzero(found < 0)
    _, first = np.unique(hashes[unknown], return_index=True)
    columns = [facts.batch.column(name) for name in ARM_NAMES]
    for i in unknown[np.sort(first)]:  # in the order of the log, which fixes the levels of unspecified pairs
        names = [column[int(at[i])].as_py() for column in columns]
        key = (names[0], names[1], names[2], names[3], names[4] if segment else None)
        rows_of.open_arm(tables, int(hashes[i]), key, int(facts.offsets[at[i]]))
    return tables.arms.find(hashes)


def _additions(facts: Facts, measure: Measure) -> Additions:
    tally, cap = measure.tally, measure.cap
    count, total, squares = facts.ints("count"), facts.floats("sum"), facts.floats("sum_squares")
    single = count == 1
    total = np.where(single & (tally == Tally.MEAN), np.minimum(total, cap), total)
    with np.errstate(over="ignore"):
        squares = np.where(single, total * total, squares)
    hits = np.where(tally == Tally.LATENCY, total > measure.limit, np.abs(total) < _TWO_TO_53)
    counted = np.where(hits & (tally != Tally.LATENCY), total, 0.0)
    hits = np.where(tally == Tally.LATENCY, hits, np.where(tally == Tally.MEAN, 0.0, counted)).astype(np.int64)
    return Additions(count, hits, total, squares)


def _refuse(facts: Facts, measure: Measure, added: Additions) -> list[Refused]:
    """Records that are well-formed and still make no sense for the kind of their metric."""
    tally = measure.tally
    kind = facts.batch.column("kind").dictionary_encode()
    snapshots = np.isin(
        kind.indices.to_numpy(), [i for i, k in enumerate(kind.dictionary.to_pylist()) if k == "SNAPSHOT"]
    )
    is_count = (tally == Tally.RATE) | (tally == Tally.COUNT)
    sums = facts.floats("sum")
    whole_number = (sums == np.floor(sums)) & (sums >= 0.0) & (sums < _TWO_TO_53)
    with np.errstate(over="ignore"):
        # No numbers have squares that add up to less than the square of their sum by their count.
        too_few = added.squares < added.total * added.total / added.count * _ROUNDING
    checks = (
        (
            snapshots,
            "SNAPSHOT_NOT_JUDGED",
            "kind SNAPSHOT is not judged: send OBSERVATION records, each adding to the total",
        ),
        (is_count & ~whole_number, "NOT_A_COUNT", "the sum of a RATE or COUNT is a whole number of at least 0"),
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


@dataclass(frozen=True, slots=True)
class _Running:
    """Totals of every row after every record that touched it, in run order."""

    runs: Runs
    records: Ints  # position in the facts of each, in run order
    totals: Totals

    @staticmethod
    def of(tables: Tables, rows: Ints, records: Ints, added: Additions) -> "_Running":
        runs = bring_together(rows)
        records = records[runs.order]
        each, arms = runs.each, tables.arms
        lost = np.isnan(added.squares[records])
        squares = np.where(lost, 0.0, added.squares[records])
        lost &= np.isin(arms["tally"][runs.rows], (Tally.MEAN, Tally.COUNT))
        missing = running_ints(runs, lost.astype(np.int64), arms["missing_squares"][each].astype(np.int64)) > 0
        measured = arms["tally"][runs.rows] != Tally.RATE
        total, squared = arms["sum"][runs.rows], arms["sum_squares"][runs.rows]
        if measured.any():
            total, squared = _floats(runs, measured, added.total[records], squares, arms["sum"], arms["sum_squares"])
        count = running_ints(runs, added.count[records], arms["count"][each])
        hits = running_ints(runs, added.hits[records], arms["hits"][each])
        total, squared = np.where(measured, total, hits), np.where(measured, squared, hits)
        return _Running(runs, records, Totals(count, hits, total, squared, missing))

    def store(self, tables: Tables, offsets: Ints) -> None:
        """Writes the last totals of each run to its row, and marks it and the rows compared with it as changed."""
        arms, each, ends = tables.arms, self.runs.each, self.runs.ends
        arms["count"][each] = self.totals.count[ends]
        arms["hits"][each] = self.totals.hits[ends]
        arms["sum"][each] = self.totals.total[ends]
        arms["sum_squares"][each] = self.totals.squares[ends]
        arms["applied_offset"][each] = offsets[self.records[ends]]
        arms["missing_squares"][each] = self.totals.missing[ends]
        arms.touch(each)
        arms.touch(_treatments_of(tables, each))


def _floats(
    runs: Runs, measured: NDArray[np.bool_], total: Floats, squares: Floats, sums: Floats, sums_squares: Floats
) -> tuple[Floats, Floats]:
    """Running sums and squares of the measured rows only; zeros elsewhere."""
    at = np.flatnonzero(measured)
    sub = bring_together(runs.rows[at])  # already in order: rows ascend
    out = np.zeros(len(measured)), np.zeros(len(measured))
    out[0][at] = running_floats(sub, total[at], sums[sub.each])
    out[1][at] = running_floats(sub, squares[at], sums_squares[sub.each])
    return out


def _treatments_of(tables: Tables, rows: Ints) -> Ints:
    """The treatment rows compared with these control rows."""
    below = tables.arms["treatment"][rows]
    several = [
        row
        for control in rows[below == SEVERAL]
        for variant, row in _group(tables, int(control)).items()
        if row != control
    ]
    return np.concatenate([below[below >= 0], np.array(several, np.int64)])


def _group(tables: Tables, row: int) -> dict[str, int]:
    metric = tables.arms.keys[row][2]
    assert metric is not None
    trial: Trial = tables.trials[int(tables.arms["trial"][row])]
    return trial.arms[metric]


def _look(facts: Facts, tables: Tables, after: _Running) -> list[Finding]:
    """Evidence after every event of every pair that may still command; latches crossings and decides."""
    looks = _looks(facts, tables, after)
    if looks is None:
        return []
    arms = tables.arms
    evidence = assess(arms, looks.pairs, looks.offsets, looks.control, looks.treatment, exact=False)
    _latch(tables, looks, evidence.enough & (evidence.harm >= arms["harm_level"][looks.pairs]), "harm_offset")
    _latch(tables, looks, evidence.enough & (evidence.gain >= arms["gain_level"][looks.pairs]), "gain_offset")
    findings: list[Finding] = []
    if tables.pending:
        for trial in np.unique(arms["trial"][looks.pairs]):
            if int(trial) in tables.pending:
                findings += decide(facts, tables, int(trial), looks, evidence)
    return sorted(findings, key=lambda finding: finding.at)


def _latch(tables: Tables, looks: Looks, crossed: NDArray[np.bool_], column: str) -> None:
    at = np.flatnonzero(crossed & (tables.arms[column][looks.pairs] < 0))
    if not len(at):
        return
    pairs, first = np.unique(looks.pairs[at], return_index=True)
    tables.arms[column][pairs] = looks.offsets[at[first]]
    tables.pending.update(int(trial) for trial in tables.arms["trial"][pairs])


def _looks(facts: Facts, tables: Tables, after: _Running) -> Looks | None:
    """The moments at which a pair that may still command has new evidence, by pair and then in the order of the log."""
    arms, runs = tables.arms, after.runs
    each = runs.each
    candidates = np.unique(np.concatenate([each[arms["control"][each] >= 0], _treatments_of(tables, each)]))
    levels = np.minimum(arms["harm_level"][candidates], arms["gain_level"][candidates])
    open_pairs = candidates[np.isfinite(levels) & (arms["method"][candidates] != Method.NONE)]
    if not len(open_pairs):
        return None
    wanted = np.zeros(len(arms), np.bool_)
    wanted[open_pairs] = True
    below = arms["treatment"][runs.rows]
    own = np.flatnonzero(wanted[runs.rows])
    single = np.flatnonzero((below >= 0) & wanted[np.maximum(below, 0)])
    pairs = [runs.rows[own], below[single]]
    at = [own, single]
    for run in np.flatnonzero(arms["treatment"][each] == SEVERAL):
        stretch = np.arange(runs.starts[run], runs.starts[run] + runs.lengths[run])
        for row in _group(tables, int(each[run])).values():
            if wanted[row]:
                pairs.append(np.full(len(stretch), row))
                at.append(stretch)
    sides = np.concatenate([np.ones(len(own), np.bool_), np.zeros(sum(map(len, at[1:])), np.bool_)])
    return _sorted_looks(facts, tables, after, np.concatenate(pairs), np.concatenate(at), sides)


def _sorted_looks(
    facts: Facts, tables: Tables, after: _Running, pairs: Ints, at: Ints, own: NDArray[np.bool_]
) -> Looks | None:
    if not len(pairs):
        return None
    records = after.records[at]
    order = stable_order(records)
    order = order[stable_order(pairs[order])]
    pairs, at, own, records = pairs[order], at[order], own[order], records[order]
    starts = np.concatenate([[True], pairs[1:] != pairs[:-1]])
    first = np.maximum.accumulate(np.where(starts, np.arange(len(pairs)), 0))
    treatment = _filled(tables, after, pairs, at, own, first)
    control = _filled(tables, after, tables.arms["control"][pairs], at, ~own, first)
    return Looks(pairs, records, facts.offsets[records], control, treatment)


def _filled(tables: Tables, after: _Running, rows: Ints, at: Ints, mine: NDArray[np.bool_], first: Ints) -> Totals:
    """An arm's totals at each look: after its latest event in this slice, or as carried into it."""
    arms = tables.arms
    latest = np.maximum.accumulate(np.where(mine, np.arange(len(rows)), -1))
    inside = latest >= first
    source = at[np.maximum(latest, 0)]
    totals = after.totals
    return Totals(
        np.where(inside, totals.count[source], arms["count"][rows]),
        np.where(inside, totals.hits[source], arms["hits"][rows]),
        np.where(inside, totals.total[source], arms["sum"][rows]),
        np.where(inside, totals.squares[source], arms["sum_squares"][rows]),
        np.where(inside, totals.missing[source], arms["missing_squares"][rows]),
    )
