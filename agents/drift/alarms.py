"""What is found of a version whose records are worse than the reference, as a record proves it."""

from collections.abc import Sequence
from dataclasses import replace

from agents.core.batch import Finding
from agents.core.kitagawa import Part
from agents.core.provenance import Provenance
from agents.drift.decay_or_mix import MixChange, explain
from agents.drift.drift_wording import drift_finding
from agents.drift.metric_rows import learning_anew, version_of, with_version
from agents.drift.rollback_candidate import came_with, sound_before
from agents.drift.rule import Rule
from agents.drift.terms import rule_applied, take_in_hand
from schemas.ids import decision_id
from schemas.records import MetricRow, ModelMetric, Order, VersionWatch
from state.metrics.table import is_barred
from state.partition.drift_tables import DriftTables


def found_bad(
    metric: ModelMetric, segment: str | None, place: Provenance, tables: DriftTables
) -> Finding:
    """The finding that a record's version is bad in the whole, or in a segment."""
    rule = rule_applied(metric.subject, metric.metric, tables)
    rows = tables.metrics.of_metric(metric.subject, metric.metric)
    row = next(one for one in rows if one.segment == segment)
    version = version_of(row, metric.model_version)
    assert version is not None, f"{metric.model_version} was judged and is not known"
    change = _change(rows, metric.model_version) if segment is None else None
    previous = _previous(rows, row, version, rule)
    finding = drift_finding(place, row, rule, version, change, previous)
    found_id = decision_id(
        place.topic, place.partition, place.offset, finding.agent, finding.ordinal
    )
    asking = replace(version, finding_id=found_id, asked=finding.order, again_at=-1)
    tables.metrics.put(with_version(row, asking))
    take_in_hand(metric.subject, metric.metric, rule, tables)
    return finding


def begin_in_new_mix(metric: ModelMetric, rule: Rule, tables: DriftTables) -> None:
    """The whole is compared with the mix that is; a stated reference stands, and the finding with
    it.

    Segments are watched on against their own references, so a decay is found in them meanwhile.
    """
    if rule.reference(None) is not None:
        return
    for row in tables.metrics.of_metric(metric.subject, metric.metric):
        if row.segment is None:
            tables.metrics.put(learning_anew(row))
        elif row.share_count:
            tables.metrics.put(replace(row, share_count=0, share_bad=0))


def _change(rows: Sequence[MetricRow], name: str) -> MixChange | None:
    """What the segments did between the reference of the whole and the suspicion that led to the
    alarm.
    """
    parts = []
    for row in rows:
        if row.segment is None:
            continue
        count = bad = 0
        version = version_of(row, name)
        if version is not None:
            count = version.whole_judged - version.whole_window_count
            bad = version.whole_bad - version.whole_window_bad
        parts.append(Part(row.segment, row.share_count, row.share_bad, count, bad))
    return explain([part for part in parts if part.count_before or part.count_during])


def _previous(
    rows: Sequence[MetricRow], row: MetricRow, version: VersionWatch, rule: Rule
) -> str | None:
    """The version to roll back to; None where the fault did not come with the version or none
    before is sound.

    Where another segment or the whole has asked for a rollback of it, this one asks for the same,
    not for a training.
    """
    name = version.model_version
    asking = [one for one in rows if (its := version_of(one, name)) and its.asked == Order.ROLLBACK]
    if not asking and not came_with(version):
        return None
    bad = {one.model_version for each in rows for one in each.versions if is_barred(one)}
    return sound_before((asking or [row])[0], name, bad, rule.sound_count)
