"""The tables of live metrics that are watched for drift."""

from collections.abc import Iterable

from schemas.catalog import TABLES_METRICS
from schemas.records import MetricRow
from state import row_expiry
from state.deadline_queue import DeadlineQueue
from state.policies_in_force import Policies
from state.storage.keyed_table import KeyedTable
from state.storage.table import Table, row_key

METRIC = "metric"  # mark of rows of live metrics: subject and metric
# Mark of segments that took in records since a version was last suspected in the whole: subject,
# metric and version.
BEHIND = "behind"


class DriftTables:
    """Holds what the agent of drift owns in one partition.

    metrics: by subject, metric and segment. rules_applied: metrics, and the rule by which all their
    rows stand. rewatches: metrics, by when one of their versions is watched anew.
    """

    def __init__(self, policies: Policies) -> None:
        self.policies = policies
        self.metrics: KeyedTable[MetricRow] = KeyedTable(
            TABLES_METRICS,
            "MetricRow",
            lambda row: row_key(row.subject, row.metric, row.segment),
            lambda row: row.subject,
            row_expiry.metric,
            {METRIC: _metric, BEHIND: _behind},
        )
        # Worked out anew after a restore, never stored.
        self.rules_applied: dict[str, object] = {}
        self.rewatches = DeadlineQueue()

    def stored(self) -> tuple[Table, ...]:
        """The tables with a changelog."""
        return (self.metrics,)


def _metric(row: MetricRow) -> Iterable[str]:
    yield row_key(row.subject, row.metric)


def _behind(row: MetricRow) -> Iterable[str]:
    for version in row.versions if row.segment is not None else ():
        window = version.whole_window_count, version.whole_window_bad
        if window != (version.whole_judged, version.whole_bad):
            yield row_key(row.subject, row.metric, version.model_version)
