"""Works out what a record changed beside the totals: a limit is learned, a reference is complete,
or a metric cannot be judged.
"""

from dataclasses import replace

import numpy as np

from agents.core.batch import Finding
from agents.core.provenance import Provenance
from agents.drift.alarms import begin_in_new_mix
from agents.drift.evidence.thinning_and_limits import limit_of, thinning
from agents.drift.rule import Rule
from agents.drift.terms import misfit, rule_applied, take_in_hand, terms_of
from agents.drift.unjudged_metrics import silent_finding, why_unjudged, with_silence
from schemas.records import MetricRow, ModelMetric
from state.partition.drift_tables import DriftTables
from state.storage.table import row_key


def settle(
    metric: ModelMetric, has_new_mix: bool, place: Provenance, tables: DriftTables
) -> list[Finding]:
    """Settles the rows of a record that was counted; returns that the metric fell silent, if so.

    has_new_mix: whether it was found that the mix of segments has shifted.
    """
    rule = rule_applied(metric.subject, metric.metric, tables)
    if has_new_mix:
        begin_in_new_mix(metric, rule, tables)
    found, fits = list[Finding](), True
    for segment in dict.fromkeys((None, metric.segment)):
        before = tables.metrics.get(row_key(metric.subject, metric.metric, segment))
        if before is None:  # there was no room for the record
            continue
        row = _with_limit(before, rule)
        if segment is None and not row.unjudged and why_unjudged(row, rule):
            row = replace(with_silence(row, rule), unjudged_at=place.now)
            found.append(silent_finding(row))
        row = with_silence(row, rule)
        if row is not before:
            tables.metrics.put(row)
        elif not tables.metrics.stands_by(row, terms_of(rule, row)):
            tables.metrics.let_go(row)
        fits = fits and not misfit([row], rule)
    take_in_hand(metric.subject, metric.metric, rule, tables)
    if not fits:
        tables.forget_rule(metric.subject, metric.metric)
    return found


def _with_limit(row: MetricRow, rule: Rule) -> MetricRow:
    """The row with its limit, once there are as many values as it is learned from."""
    needed = terms_of(rule, row).values_needed
    if not needed or len(row.values) < needed:
        return row
    learned = np.array(row.values)
    limit = limit_of(learned, rule.upper, rule.margin)
    return replace(row, values=(), limit=limit, thin=thinning(learned))
