"""Folds a slice of model metrics: references, e-detectors, and findings that say where the fault sits.

One subject's metric is folded at a time (its whole, then its segments), so the cost grows with the metrics a slice names,
not only with its records. RATE metrics are watched; others are added up and shown.
"""

from dataclasses import dataclass, replace

import numpy as np

from agents.policy import metric_spec, policy_for
from agents.slice import Facts, Finding, Ints
from agents.watch.explain import Change, Part, explain
from agents.watch.ledger import Ledger
from agents.watch.stream import VERSIONS_KEPT, Alarm, Records, Rule, Stream, empty_row
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
            findings += _fold_metric(facts, tables, at, _Named(subject, metric, policy, spec))
    return sorted(findings, key=lambda finding: finding.at), sorted(refused, key=lambda one: one.index)


def restart(tables: Tables, subject: str, command: str) -> None:
    """After a command for it is COMPLETED a metric learns its reference anew: a new hypothesis."""
    rows = list(tables.metrics.rows_of(subject))
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


@dataclass(frozen=True, slots=True)
class _Named:
    """One subject's metric and how it is watched."""

    subject: str
    metric: str
    policy: Policy
    spec: MetricSpec


def _fold_metric(facts: Facts, tables: Tables, at: Ints, named: _Named) -> list[Finding]:
    """Folds one metric's records, stopping at each finding: it is worded by the rows as its own record left them."""
    findings: list[Finding] = []
    while len(at):
        gauge = _Gauge(facts, tables, at, named)
        upto = gauge.room()
        if upto < len(at):
            gauge = _Gauge(facts, tables, at[:upto], named)
        found = gauge.fold()
        if found and found[0].at < at[upto - 1]:
            upto = int(np.searchsorted(at, found[0].at)) + 1
            gauge = _Gauge(facts, tables, at[:upto], named)
            found = gauge.fold()
        gauge.store()
        findings += found
        at = at[upto:]
    return findings


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

    def __init__(self, facts: Facts, tables: Tables, at: Ints, named: _Named) -> None:
        self._facts, self._tables, self._policy, self._spec = facts, tables, named.policy, named.spec
        self._subject, self._metric = named.subject, named.metric
        threshold = float(np.log(named.policy.false_alarm_records))
        self._rule = Rule(named.policy.reference_count, threshold, named.spec.kind == MetricKind.RATE)
        self._ledger = self._columns(at)
        self._whole = self._open(None)
        self._streams = {label: self._open(label) for label in self._ledger.labels()}

    def room(self) -> int:
        """How many records can be folded at once: not past one that brings a version for which another has to go."""
        ledger, rooms = self._ledger, [len(self._ledger.records)]
        for label, stream in ((None, self._whole), *self._streams.items()):
            own = np.arange(rooms[0]) if label is None else ledger.within(label)
            _, first = np.unique(ledger.records.version[own], return_index=True)
            fresh = [at for at in np.sort(first) if not stream.version(ledger.names[ledger.records.version[own[at]]])]
            free = VERSIONS_KEPT - len(stream.row.versions)
            rooms += [max(1, int(own[fresh[free]]))] if len(fresh) > free else []
        return min(rooms)

    def fold(self) -> list[Finding]:
        """Findings in the order of the log; nothing is stored."""
        ledger, streams = self._ledger, self._streams
        learning = self._rule.watched and not self._whole.row.frozen
        alarms = self._whole.fold(ledger.records, ledger.names, self._rule)
        if learning:
            self._share()
        findings = [self._finding(self._whole, alarm, self._change(streams, ledger, alarm)) for alarm in alarms]
        for label, stream in streams.items():
            alarms = stream.fold(ledger.of(label), ledger.names, self._rule)
            findings += [self._finding(stream, alarm, None) for alarm in alarms]
            self._remember(label, stream, ledger)
        return sorted(findings, key=lambda finding: finding.at)

    def store(self) -> None:
        for stream in (self._whole, *self._streams.values()):
            if stream.row != self._tables.metrics.get(_key(stream.row)):
                self._tables.metrics.put(stream.row)

    def _share(self) -> None:
        """Adds to each segment what of it went into the reference of the whole."""
        for label, stream in self._streams.items():
            own = self._ledger.of(label)
            if self._whole.frozen_at is not None:
                own = own.take(np.flatnonzero(own.at <= self._whole.frozen_at))
            count, bad = stream.row.share_count + int(own.count.sum()), stream.row.share_bad + int(own.bad.sum())
            stream.row = replace(stream.row, share_count=count, share_bad=bad)

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
        rows = self._tables.metrics.rows_of(self._subject)
        known = [row for row in rows if row.metric == self._metric and row.segment is not None]
        return Ledger({row.segment or "": row for row in known}, records, segments[at], labels, names)

    def _open(self, segment: str | None) -> Stream:
        row = self._tables.metrics.get(row_key(self._subject, self._metric, segment))
        if row is None:
            row = empty_row(self._subject, self._metric, segment)
        stated = [r for r in self._policy.references if r.metric == self._metric and r.segment == segment]
        if stated and not row.frozen and self._rule.watched:
            bad = min(max(int(stated[0].sum), 0), stated[0].count)
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
        finding = drift_finding(self._facts, stream.row, self._spec, alarm, change)
        found_id = decision_id(self._facts.topic, self._facts.partition, alarm.offset, finding.agent, finding.ordinal)
        version = stream.version(alarm.version.model_version)
        assert version is not None
        stream.put(replace(version, finding_id=found_id))
        return finding


def _key(row: MetricRow) -> str:
    return row_key(row.subject, row.metric, row.segment)
