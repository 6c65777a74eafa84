"""Prepares the rows of a metric for a record that finds them otherwise than the loop needs them.

A row or a version of it is opened; a version that is awaited begins to serve; the policy has
changed how the metric is watched; or there is no room for another version.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from agents.core.batch import Finding, Served
from agents.core.effects import Refusal
from agents.core.provenance import Provenance
from agents.drift.metric_rows import empty_row, first_seen, learning_anew, served, version_of
from agents.drift.rule import BadWhen, Rule
from agents.drift.terms import misfit, rule_in_force, take_in_hand
from agents.drift.unjudged_metrics import with_silence
from agents.drift.version_limits import VERSIONS_KEPT, VERSIONS_MAX, crowded_finding, with_room
from schemas.records import MetricRow, ModelMetric
from state.partition.drift_tables import DriftTables
from state.storage.table import row_key

_Rows = dict[str | None, MetricRow]  # of one metric, by segment


@dataclass(frozen=True, slots=True)
class Prepared:
    """What there is to be said before a record is counted, and whether it is to be counted."""

    findings: list[Finding | Served]
    is_counted: bool


def why_senseless(metric: ModelMetric, tables: DriftTables) -> Refusal | None:
    """Why a record makes no sense for its metric; None where it does."""
    total, count = metric.sum, metric.count
    rule = rule_in_force(metric.subject, metric.metric, tables)
    if not rule.is_rate or (total.is_integer() and 0 <= total <= count):
        return None
    sentence = "the sum of a RATE is a whole number from 0 to its count"
    return Refusal("NOT_A_RATE", f"{sentence} (sum {total:g}, count {count})")


def prepare(metric: ModelMetric, place: Provenance, tables: DriftTables) -> Prepared:
    """Takes the metric of a record in hand, with a row and a version for it where there is room."""
    rule = rule_in_force(metric.subject, metric.metric, tables)
    key = row_key(metric.subject, metric.metric)
    all_rows = tables.metrics.of_metric(metric.subject, metric.metric)
    stored = {row.segment: row for row in all_rows}
    findings = list[Finding | Served]()
    chosen = {None, metric.segment} if tables.rules_applied.get(key) == rule else stored.keys()
    rows = {segment: row for segment, row in stored.items() if segment in chosen}
    whole = rows.get(None)
    if whole is not None and whole.awaits_version == metric.model_version:
        rows = {segment: served(row, metric.model_version) for segment, row in stored.items()}
        findings.append(Served(metric.subject, metric.model_version))
    if misfit(rows.values(), rule):
        rows = {
            segment: replace(learning_anew(row), limit=None, values=(), thin=1)
            for segment, row in (stored | rows).items()
        }
    rows = {segment: _opened(_with_room(row, metric, place), rule) for segment, row in rows.items()}
    whole, crowded = _admitted(_row(metric, None, rows, rule), metric, place)
    rows[None] = whole
    if crowded is None:
        for segment in dict.fromkeys((None, metric.segment)):
            rows[segment] = _with_version(_row(metric, segment, rows, rule), metric, place)
    elif crowded:
        findings += crowded
    _store(rows, stored, metric, rule, tables)
    return Prepared(findings, crowded is None)


def _store(
    rows: _Rows,
    stored: Mapping[str | None, MetricRow],
    metric: ModelMetric,
    rule: Rule,
    tables: DriftTables,
) -> None:
    """Puts the rows that changed; of those of the record it is said later why they cannot be
    judged.
    """
    is_other = tables.rules_applied.get(row_key(metric.subject, metric.metric)) != rule
    for segment in sorted(rows, key=lambda name: (name is not None, name or "")):
        row = rows[segment]
        if segment not in (None, metric.segment):
            row = with_silence(row, rule)
        if row is not stored.get(segment):
            tables.metrics.put(row)
        elif is_other:
            tables.metrics.let_go(row)
    take_in_hand(metric.subject, metric.metric, rule, tables)


def _row(metric: ModelMetric, segment: str | None, rows: _Rows, rule: Rule) -> MetricRow:
    if segment in rows:
        return rows[segment]
    return _opened(empty_row(metric.subject, metric.metric, segment), rule)


def _with_room(row: MetricRow, metric: ModelMetric, place: Provenance) -> MetricRow:
    """The row of a record with room for its version, where another has to go for it."""
    if row.segment not in (None, metric.segment) or version_of(row, metric.model_version):
        return row
    return with_room(row, place.now) if len(row.versions) >= VERSIONS_KEPT else row


def _opened(row: MetricRow, rule: Rule) -> MetricRow:
    """The row with the limit and the reference that the policy states."""
    if rule.how == BadWhen.LIMIT and rule.limit is not None and row.limit is None:
        row = replace(row, limit=rule.limit, values=())
    reference = rule.reference(row.segment)
    if reference is None or row.frozen or row.limit != rule.compared:
        return row
    return replace(
        row,
        reference_count=reference.count,
        reference_bad=rule.bad_of(reference),
        reference_sum=reference.sum,
        frozen=True,
    )


def _admitted(
    row: MetricRow, metric: ModelMetric, place: Provenance
) -> tuple[MetricRow, list[Finding] | None]:
    """(the whole as a record comes, what is said where there is no room for its version); None
    where there is.

    What there is no room for is counted, and told of once.
    """
    if version_of(row, metric.model_version):
        return row, None
    if len(row.versions) < VERSIONS_MAX:
        return (replace(row, unwatched_at=-1) if row.unwatched_at >= 0 else row), None
    after = replace(row, unwatched=row.unwatched + metric.count)
    if row.unwatched_at >= 0:
        return after, []
    return replace(after, unwatched_at=place.now), [crowded_finding(row, metric.model_version)]


def _with_version(row: MetricRow, metric: ModelMetric, place: Provenance) -> MetricRow:
    if version_of(row, metric.model_version):
        return row
    fresh = first_seen(metric.model_version, place.offset, metric.occurred_at, place.now)
    return replace(row, versions=(*row.versions, fresh))
