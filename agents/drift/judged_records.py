"""Which records of a stream are judged, and which of those are bad.

A RATE says so itself. A MEAN or LATENCY is compared with a limit: stated, or learned from the first
LEARNED records that are one unit each, which enter neither the reference nor the test. Records of
several units cannot be compared with it; they are added up and counted as `coarse`. Values that
follow each other are thinned by the ordinal number of the record in its stream and version, so that
the same ones are judged however the log is cut.
"""

from dataclasses import replace

import numpy as np

from agents.core.batch import Ints
from agents.drift.rule import BadWhen, Rule
from agents.drift.stream_columns import Column, Records, taught
from agents.drift.thinning_and_limits import LEARNED, beyond, limit_of, thinning
from schemas.records import MetricRow


def measured(
    row: MetricRow, records: Records, names: list[str], rule: Rule
) -> tuple[MetricRow, Records]:
    """The row with what it learned of its limit, and the records with what is judged of each."""
    if rule.how == BadWhen.RATE:
        bad = records.total.astype(np.int64)
        return row, records.where(
            Column.JUDGED, records.count, bad if rule.upper else records.count - bad
        )
    if rule.how == BadWhen.NOT:
        return row, records
    coarse = np.where(records.count > 1, records.count, 0)
    row, first = _limited(row, records, names, rule)
    judged, bad = np.zeros(len(records), np.int64), np.zeros(len(records), np.int64)
    if row.limit is not None and row.thin:
        singles = np.flatnonzero(records.count == 1)
        kept = _thinned(row, records, names, singles)
        kept = kept[np.searchsorted(kept, first) :]
        judged[kept] = 1
        bad[kept] = beyond(records.total[kept], row.limit, rule.upper)
    return row, records.where(Column.JUDGED, judged, bad, coarse)


def _limited(
    row: MetricRow, records: Records, names: list[str], rule: Rule
) -> tuple[MetricRow, int]:
    """The row with its limit frozen or nearer to it, and the position from which on records are
    compared with it.
    """
    if row.limit is not None:
        return row, 0
    fit = taught(row, records, names, records.count == 1)
    taken = fit[: LEARNED - len(row.values)]
    values = (*row.values, *records.total[taken].tolist())
    if len(values) < LEARNED:
        return replace(row, values=values), len(records)
    learned = np.array(values)
    limit = limit_of(learned, rule.upper, rule.margin)
    return replace(row, values=(), limit=limit, thin=thinning(learned)), int(taken[-1]) + 1


def _thinned(row: MetricRow, records: Records, names: list[str], singles: Ints) -> Ints:
    if row.thin == 1:
        return singles
    before = {version.model_version: version.count - version.coarse for version in row.versions}
    kept = np.zeros(len(records), np.bool_)
    for code in np.unique(records.version[singles]).tolist():
        own = singles[records.version[singles] == code]
        ordinal = before.get(names[code], 0) + np.arange(1, len(own) + 1)
        kept[own[ordinal % row.thin == 0]] = True
    return np.flatnonzero(kept)
