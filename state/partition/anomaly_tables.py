"""The table of what is usual of live metrics' values."""

from state.metrics.series_table import AnomaliesTable
from state.metrics.table import MetricsTable
from state.policies_in_force import Policies
from state.storage.table import Table


class AnomalyTables:
    """Holds what the agent of anomalies owns in one partition; series: by subject, metric and
    segment.

    policies, metrics: read alone, for who wants to be told of what is unusual, and for the names of
    a point's series.
    """

    def __init__(self, policies: Policies, metrics: MetricsTable) -> None:
        self.policies = policies
        self.metrics = metrics
        self.series = AnomaliesTable()

    def stored(self) -> tuple[Table, ...]:
        """The tables with a changelog."""
        return (self.series,)
