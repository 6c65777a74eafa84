"""Folds a slice of model metrics: references, e-detectors, and findings that say where the fault sits.

One subject's metric is folded at a time (its whole, then its segments), so the cost grows with the metrics a slice names,
not only with its records. RATE metrics are watched; others are added up and shown.
"""

from dataclasses import replace

import numpy as np

from agents.policy import metric_spec, policy_for
from agents.slice import Facts, Finding, Ints
from agents.watch.explain import Change, Part, explain
from agents.watch.ledger import Ledger
from agents.watch.stream import Alarm, Records, Rule, Stream, empty_row
from agents.watch.wording import drift_finding
from schemas.ids import command_id, decision_id
from schemas.records import Direction, MetricKind, MetricRow, MetricSpec, Order, Policy, State
from schemas.refusals import Refused
from state.table import row_key
from state.tables import Tables


def fold(facts: Facts, tables: Tables) -> tuple[list[Finding], list[Refused]]:
    """Folds metrics; returns findings in the order of the log and records that make no sense for their metric."""
    findings: list[Finding] = []
    refused: list[Refused] = []
    subjects, metrics = _codes(facts, "subject"), _codes(facts, "metric")
    group = subjects[0] * np.int64(len(metrics[1]) + 1) + metrics[0]
    _, first = np.unique(group, return_index=True)
    for start in np.sort(first):
        at = np.flatnonzero(group == group[start])
        subject, metric = subjects[1][subjects[0][start]], metrics[1][metrics[0][start]]
        policy = policy_for(subject, tables.policies.values())
        spec = metric_spec(metric, (), policy)
        at, bad_records = _sensible(facts, at, spec)
        refused += bad_records
        if len(at):
            findings += _Gauge(facts, tables, subject, metric, policy, spec).fold(at)
    return sorted(findings, key=lambda finding: finding.at), sorted(refused, key=lambda one: one.index)


def restart(tables: Tables, subject: str, command: str) -> None:
    """After a command for it is COMPLETED a metric learns its reference anew: a new hypothesis."""
    rows = [row for row in tables.metrics.rows() if row.subject == subject]
    answered = {
        row.metric
        for row in rows
        for version in row.versions
        if version.finding_id and command in {command_id(version.finding_id, order) for order in Order}
    }
    for row in rows:
        if row.metric in answered:
            versions = tuple(replace(v, carry=(), state=State.WAIT, finding_id="", log_e=0.0) for v in row.versions)
            tables.metrics.put(replace(empty_row(subject, row.metric, row.segment), versions=versions))


def _codes(facts: Facts, name: str) -> tuple[Ints, list[str]]:
    encoded = facts.batch.column(name).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary.to_pylist()


def _sensible(facts: Facts, at: Ints, spec: MetricSpec) -> tuple[Ints, list[Refused]]:
    if spec.kind != MetricKind.RATE:
        return at, []
    sums, count = facts.floats("sum")[at], facts.ints("count")[at]
    wrong = (sums != np.floor(sums)) | (sums < 0) | (sums > count)
    sentence = "the sum of a RATE is a whole number from 0 to its count (sum {:g}, count {})"
    refused = [Refused(int(at[i]), "NOT_A_RATE", sentence.format(sums[i], count[i])) for i in np.flatnonzero(wrong)]
    return at[~wrong], refused


class _Gauge:
    """One subject's metric: the whole and its segments, while a slice is folded."""

    def __init__(
        self, facts: Facts, tables: Tables, subject: str, metric: str, policy: Policy, spec: MetricSpec
    ) -> None:
        self._facts, self._tables, self._policy, self._spec = facts, tables, policy, spec
        self._subject, self._metric = subject, metric
        self._rule = Rule(
            policy.reference_count, float(np.log(policy.false_alarm_records)), spec.kind == MetricKind.RATE
        )
        self._whole = self._open(None)

    def fold(self, at: Ints) -> list[Finding]:
        ledger = self._columns(at)
        alarms = self._whole.fold(ledger.records, ledger.names, self._rule)
        streams = {label: self._open(label) for label in ledger.labels()}
        if self._whole.frozen_at is not None:
            for label, stream in streams.items():
                count, bad = ledger.totals(label, self._whole.frozen_at)
                stream.row = replace(stream.row, share_count=count, share_bad=bad)
        findings = [self._finding(self._whole, alarm, self._change(streams, ledger, alarm)) for alarm in alarms]
        for label, stream in streams.items():
            for alarm in stream.fold(ledger.of(label), ledger.names, self._rule):
                findings.append(self._finding(stream, alarm, None))
            self._remember(label, stream, ledger)
        for stream in (self._whole, *streams.values()):
            if stream.row != self._tables.metrics.get(_key(stream.row)):
                self._tables.metrics.put(stream.row)
        return findings

    def _columns(self, at: Ints) -> Ledger:
        facts = self._facts
        versions, names = _codes(facts, "model_version")
        segments, labels = _codes(facts, "segment")
        count, total = facts.ints("count")[at], facts.floats("sum")[at]
        bad = np.zeros(len(at), np.int64)
        if self._rule.watched:
            bad = total.astype(np.int64)
            if self._spec.direction == Direction.HIGHER_IS_BETTER:
                bad = count - bad
        records = Records(at, count, bad, total, versions[at], facts.offsets[at])
        rows = self._tables.metrics.rows()
        known = [r for r in rows if r.subject == self._subject and r.metric == self._metric and r.segment is not None]
        return Ledger({row.segment or "": row for row in known}, records, segments[at], labels, names)

    def _open(self, segment: str | None) -> Stream:
        row = self._tables.metrics.get(row_key(self._subject, self._metric, segment))
        if row is None:
            row = empty_row(self._subject, self._metric, segment)
        stated = [r for r in self._policy.references if r.metric == self._metric and r.segment == segment]
        if stated and not row.frozen and self._rule.watched:
            bad = int(stated[0].sum)
            if self._spec.direction == Direction.HIGHER_IS_BETTER:
                bad = stated[0].count - bad
            row = replace(
                row, reference_count=stated[0].count, reference_bad=bad, reference_sum=stated[0].sum, frozen=True
            )
        return Stream(row)

    def _change(self, streams: dict[str, Stream], ledger: Ledger, alarm: Alarm) -> Change | None:
        """What the segments did between the reference of the whole and the suspicion that led to the alarm."""
        name = alarm.version.model_version
        parts = []
        for label, stream in streams.items():
            count, bad = ledger.totals(label, alarm.at, name)
            count_then, bad_then = self._window(label, stream, ledger, name)
            row = stream.row
            parts.append(Part(label, row.share_count, row.share_bad, count - count_then, bad - bad_then))
        return explain([part for part in parts if part.count_before or part.count_during])

    def _window(self, label: str, stream: Stream, ledger: Ledger, name: str) -> tuple[int, int]:
        """A segment's totals when the suspicion of the whole began."""
        if name in self._whole.suspected_at:
            return ledger.totals(label, self._whole.suspected_at[name], name)
        version = stream.version(name)
        return (version.whole_window_count, version.whole_window_bad) if version else (0, 0)

    def _remember(self, label: str, stream: Stream, ledger: Ledger) -> None:
        for name, at in self._whole.suspected_at.items():
            version = stream.version(name)
            if version is not None:
                count, bad = ledger.totals(label, at, name)
                stream.put(replace(version, whole_window_count=count, whole_window_bad=bad))

    def _finding(self, stream: Stream, alarm: Alarm, change: Change | None) -> Finding:
        finding = drift_finding(self._facts, stream.row, alarm, change)
        found_id = decision_id(self._facts.topic, self._facts.partition, alarm.offset, finding.agent, finding.ordinal)
        version = stream.version(alarm.version.model_version)
        assert version is not None
        stream.put(replace(version, finding_id=found_id))
        return finding


def _key(row: MetricRow) -> str:
    return row_key(row.subject, row.metric, row.segment)
