"""Folds a slice of model metrics: references, e-detectors, and findings that say where the fault
sits.

One subject's metric is folded at a time (its whole, then its segments), so the cost grows with the
metrics and segments that a slice names, not only with its records. All segments of a metric are
looked at where something is found, where the policy or a command changed how it is watched, and
once after a restart. RATE metrics are watched as they are, MEAN and LATENCY metrics by the share of
records beyond a limit; SIGNAL and COUNT metrics are added up and shown.
"""

from bisect import bisect_left
from itertools import pairwise

import numpy as np

from agents.core.batch import Facts, Finding, Ints, Served
from agents.core.policies import metric_spec, policy_for
from agents.drift.metric_fold import MetricFold, StreamColumns, codes, room
from agents.drift.rule import Rule
from agents.drift.segments.segment_sheet import Rows, Sheet
from schemas.records import MetricKind, MetricSpec, Policy
from schemas.refusals import RefusedRecord
from state.partition.drift_tables import DriftTables


def fold(facts: Facts, tables: DriftTables) -> tuple[list[Finding | Served], list[RefusedRecord]]:
    """Folds metrics; returns findings in the order of the log and records that make no sense for
    their metric.

    A version that was awaited comes before what is found in its record.
    """
    findings: list[Finding | Served] = []
    refused: list[RefusedRecord] = []
    columns, known = StreamColumns.of(facts), _Known(tables)
    (subject_of, subjects), (metric_of, metrics) = codes(facts, "subject"), codes(facts, "metric")
    for at in _groups(subject_of * np.int64(len(metrics) + 1) + metric_of):
        subject, metric = subjects[subject_of[at[0]]], metrics[metric_of[at[0]]]
        policy = known.policy(subject)
        spec = metric_spec(metric, (), policy)
        sensible, bad_records = _sensible(columns, at, spec)
        refused += bad_records
        if len(sensible):
            rule, named = Rule.of(spec, policy), (subject, metric)
            sheet = Sheet(named, tables)
            rows = sheet.rows(rule, columns.labels(sensible))
            findings += _fold_metric(facts, columns, named, rule, rows, sheet, sensible)
            sheet.store(rows, rule)
    findings.sort(key=lambda one: (one.at, isinstance(one, Finding)))
    return findings, sorted(refused, key=lambda one: one.index)


class _Known:
    """What the tables say of a subject, looked up once for a slice."""

    def __init__(self, tables: DriftTables) -> None:
        self._tables = tables
        self._policies: dict[str, Policy] = {}

    def policy(self, subject: str) -> Policy:
        if subject not in self._policies:
            self._policies[subject] = policy_for(subject, self._tables.policies)
        return self._policies[subject]


def _groups(group: Ints) -> list[Ints]:
    """The positions of each group's records, ascending; groups in the order of their first
    records.
    """
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=group[order[:1]] - 1))
    found = [order[first:end] for first, end in pairwise([*starts.tolist(), len(order)])]
    return sorted(found, key=lambda at: int(at[0]))


def _fold_metric(
    facts: Facts,
    columns: StreamColumns,
    named: tuple[str, str],
    rule: Rule,
    rows: Rows,
    sheet: Sheet,
    at: Ints,
) -> list[Finding | Served]:
    """Folds one metric's records into `rows`, stopping at each finding: its own record's rows word
    it.
    """
    findings: list[Finding | Served] = []

    def folded(n: int) -> tuple[MetricFold, list[Finding]]:
        gauge = MetricFold(facts, columns, named, rule, rows, sheet, at[:n])
        return gauge, gauge.fold()

    while len(at):
        upto = room(columns, facts.now, rows, at)
        gauge, found = folded(upto)
        if found and found[0].at < at[upto - 1]:
            upto = int(np.searchsorted(at, found[0].at)) + 1
            gauge, found = folded(upto)
        if gauge.falls_silent:
            upto = bisect_left(range(1, upto), True, key=lambda n: folded(n)[0].falls_silent) + 1
            gauge, found = folded(upto)
            found.append(gauge.fall_silent())
        rows.update(gauge.rows())
        if gauge.serves:
            findings.append(Served(int(at[0]), named[0], gauge.serves))
        findings += found
        at = at[upto:]
    return findings


def _sensible(
    columns: StreamColumns, at: Ints, spec: MetricSpec
) -> tuple[Ints, list[RefusedRecord]]:
    if spec.kind != MetricKind.RATE:
        return at, []
    sums, count = columns.total[at], columns.count[at]
    wrong = (sums != np.floor(sums)) | (sums < 0) | (sums > count)
    if not wrong.any():
        return at, []
    sentence = "the sum of a RATE is a whole number from 0 to its count (sum {:g}, count {})"
    refused = [
        RefusedRecord(int(at[i]), "NOT_A_RATE", sentence.format(sums[i], count[i]))
        for i in np.flatnonzero(wrong)
    ]
    return at[~wrong], refused
