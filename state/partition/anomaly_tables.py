"""The table of what is usual of live metrics' values."""

from state.metrics.series_table import AnomaliesTable
from state.storage.table import Table


class AnomalyTables:
    """Holds what the agent of anomalies owns in one partition; series: by subject, metric and
    segment.
    """

    def __init__(self) -> None:
        self.series = AnomaliesTable()

    def stored(self) -> tuple[Table, ...]:
        """The tables with a changelog."""
        return (self.series,)
