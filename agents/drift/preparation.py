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
from schemas.row_limits import LIVE_ROWS_MAX, LIVE_SEGMENTS_MAX
from state.partition.drift_tables import DriftTables
from state.storage.table import row_key

_SHOWN = 40  # characters of a name
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


def why_no_room(metric: ModelMetric, tables: DriftTables) -> Refusal | None:
    """Why there is no room for the names of a record; None where there is: an id sent as a segment
    would make a row for each record.
    """
    subject, name, segment = metric.subject, metric.metric, metric.segment
    rows = tables.metrics
    is_full = rows.count(subject) >= LIVE_ROWS_MAX
    if rows.get(row_key(subject, name, None)) is None:
        if not is_full:
            return None
        sentence = f"metric {name[:_SHOWN]!r} would be one of more than {LIVE_ROWS_MAX} metrics"
        return Refusal("TOO_MANY_METRICS", f"{sentence} and segments of its subject: is it an id?")
    if segment is None or rows.get(row_key(subject, name, segment)) is not None:
        return None
    if not is_full and rows.rows_of_metric(subject, name) <= LIVE_SEGMENTS_MAX:
        return None
    sentence = (
        f"segment {segment[:_SHOWN]!r} would be one of more than {LIVE_SEGMENTS_MAX} of its "
        f"metric, or than {LIVE_ROWS_MAX} metrics and segments of its subject: is it an id?"
    )
    return Refusal("TOO_MANY_SEGMENTS", sentence)


def prepare(metric: ModelMetric, place: Provenance, tables: DriftTables) -> Prepared:
    """Takes the metric of a record in hand, with a row and a version for it where there is room."""
    rule = rule_in_force(metric.subject, metric.metric, tables)
    stored = _of_record(metric, tables)
    findings = list[Finding | Served]()
    stands = _stands(stored, metric, rule, tables)
    if not stands:
        of_metric = tables.metrics.of_metric(metric.subject, metric.metric)
        stored = {row.segment: row for row in of_metric}
    rows, whole = dict(stored), stored.get(None)
    if whole is not None and whole.awaits_version == metric.model_version:
        rows = {segment: served(row, metric.model_version) for segment, row in stored.items()}
        findings.append(Served(metric.subject, metric.model_version))
    if misfit(rows.values(), rule):
        rows = {
            segment: replace(learning_anew(row), limit=None, values=(), thin=1)
            for segment, row in rows.items()
        }
    rows = {segment: _opened(_with_room(row, metric, place), rule) for segment, row in rows.items()}
    before = _row(metric, None, rows, rule)
    whole, crowded = _admitted(before, metric, place)
    if crowded is not None and stands and before is stored.get(None):
        # A version can be made up with each record, and only what counts those has changed.
        tables.metrics.amend(whole)
        return Prepared([*crowded], False)
    rows[None] = whole
    if crowded is None:
        for segment in dict.fromkeys((None, metric.segment)):
            rows[segment] = _with_version(_row(metric, segment, rows, rule), metric, place)
    elif crowded:
        findings += crowded
    _store(rows, stored, metric, rule, tables)
    return Prepared(findings, crowded is None)


def _of_record(metric: ModelMetric, tables: DriftTables) -> _Rows:
    """The rows that a record is counted in, of those that are there."""
    rows = dict[str | None, MetricRow]()
    for segment in dict.fromkeys((None, metric.segment)):
        row = tables.metrics.get(row_key(metric.subject, metric.metric, segment))
        if row is not None:
            rows[segment] = row
    return rows


def _stands(rows: _Rows, metric: ModelMetric, rule: Rule, tables: DriftTables) -> bool:
    """Whether the other rows of the metric are as they should be: none began to serve by this
    record, or is watched in another way than it was.
    """
    key = row_key(metric.subject, metric.metric)
    if tables.rules_applied.get(key) != rule or misfit(rows.values(), rule):
        return False
    whole = rows.get(None)
    return whole is None or whole.awaits_version != metric.model_version


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
