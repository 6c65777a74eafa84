"""Folds a slice of experiment results: totals of every arm, evidence after every event, findings
where a verdict changes.

Law: however a slice is cut, rows and findings are the same bytes. So totals are carried, evidence
is looked at after each event, and a verdict falls at the event that proves it, not at the end of
the batch. Verdicts are latched: once rejected, stays rejected; they depend on the order of the log.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from agents.core.batch import Facts, Finding, Ints
from agents.experiments.evidence.evidence_start import end_burn_ins
from agents.experiments.evidence.looks import looks_of
from agents.experiments.fold_snapshots import fold_snapshots
from agents.experiments.late_results import count_late, count_mixed, late_of
from agents.experiments.plan.frozen_plan import hastened
from agents.experiments.plan.name_limits import crowded, opened
from agents.experiments.row_lookup import find_rows, named
from agents.experiments.totals import unit_dedupe
from agents.experiments.totals.burn_in import learn
from agents.experiments.totals.contributions import additions_of, measure_of, senseless
from agents.experiments.totals.running_totals import Running
from agents.experiments.verdicts.crossings import look
from schemas.refusals import RefusedRecord
from state.partition.experiment_tables import ExperimentTables

_Folded = tuple[list[Finding], list[RefusedRecord]]


def fold(facts: Facts, tables: ExperimentTables) -> _Folded:
    """Folds results; returns findings in the order of the log and records that make no sense for
    their metric.
    """
    findings: list[Finding] = []
    refused: list[RefusedRecord] = []
    for at, snapshots in _stretches(facts):
        part = facts if len(at) == len(facts) else facts.take(at)
        found, senseless_ones = (
            fold_snapshots(part, tables) if snapshots else _fold_observations(part, tables)
        )
        findings += [replace(one, at=int(at[one.at])) for one in found]
        refused += [replace(one, index=int(at[one.index])) for one in senseless_ones]
    return sorted(findings, key=lambda one: one.at), sorted(refused, key=lambda one: one.index)


def remember(facts: Facts, tables: ExperimentTables) -> None:
    """Takes in the units of results that were folded before a restart, and nothing else of them."""
    for at, snapshots in _stretches(facts):
        if not snapshots and (ids := facts.batch.column("unit_id")).null_count < len(ids):
            part = facts.take(at)
            names = named(part)
            found = tables.arms.find(names.whole)
            good = opened(part, tables, names, found)
            measure = measure_of(part, tables, names.whole)
            good[[one.index for one in senseless(part, measure, False)]] = False
            good &= ~late_of(part, measure)
            unit_dedupe.repeats(part, tables, names, good, found[good])


def _stretches(facts: Facts) -> Iterator[tuple[Ints, bool]]:
    """Positions of records that are folded together, and whether they are snapshots.

    Subjects share nothing, so those without a snapshot in this slice are folded at once; of the
    others, consecutive records of one kind, for the experiments of a subject share their levels,
    and the order of the log settles them.
    """
    kinds = facts.batch.column("kind").dictionary_encode()
    symbols = kinds.dictionary.to_pylist()
    if "SNAPSHOT" not in symbols:
        yield np.arange(len(facts)), False
        return
    snapshots = kinds.indices.to_numpy() == symbols.index("SNAPSHOT")
    subjects = facts.batch.column("subject").dictionary_encode().indices.to_numpy()
    mixed = np.isin(subjects, subjects[snapshots])
    if not mixed.all():
        yield np.flatnonzero(~mixed), False
    at = np.flatnonzero(mixed)
    for stretch in np.split(at, np.flatnonzero(snapshots[at][1:] != snapshots[at][:-1]) + 1):
        yield stretch, bool(snapshots[stretch[0]])


def _hasten(facts: Facts, tables: ExperimentTables, rows: Ints, records: Ints) -> None:
    """Has experiments looked at within a minute of the first record, of these in the log's order,
    that shared a unit.
    """
    trials, first = np.unique(tables.arms.experiment_no[rows], return_index=True)
    for trial, at in zip(trials.tolist(), first.tolist(), strict=True):
        experiment = tables.experiments.get(tables.index.key(trial))
        assert experiment is not None
        sooner = hastened(experiment, int(facts.now[records[at]]), tables)
        if sooner is not experiment:
            tables.experiments.put(sooner)


def _fold_observations(facts: Facts, tables: ExperimentTables) -> _Folded:
    names = named(facts)
    measure = measure_of(facts, tables, names.whole)
    refused = senseless(facts, measure, snapshot=False)
    good = np.ones(len(facts), np.bool_)
    good[[one.index for one in refused]] = False
    count_mixed(facts, tables, refused)
    late = late_of(facts, measure) & good
    count_late(facts, tables, late)
    good &= ~late
    refused += crowded(facts, tables, names, measure.rows, np.flatnonzero(good))
    good[[one.index for one in refused]] = False
    if not good.any():
        return [], refused
    kept = np.flatnonzero(good)
    rows, records = find_rows(facts, tables, names, measure.rows, kept)
    tables.silence.results(rows[: len(kept)], facts.now[kept])
    repeated, crossed = unit_dedupe.repeats(facts, tables, names, good, rows[: len(kept)])
    burn_in = learn(facts, tables, rows[: len(kept)], kept)
    _hasten(facts, tables, rows[: len(kept)][crossed[kept]], kept[crossed[kept]])
    left_out = crossed | unit_dedupe.uncounted(repeated, measure.tally)
    added = additions_of(facts, measure.tally, burn_in, left_out)
    after = Running.of(tables, rows, records, added)
    end_burn_ins(tables, after, burn_in, facts.offsets)
    unit_dedupe.note(facts, tables, after, repeated & ~crossed, crossed)
    findings: list[Finding] = []
    looks = looks_of(facts, tables, after)
    if looks is not None:
        findings = look(facts, tables, after, looks)
    after.store(tables, facts)
    return findings, refused
