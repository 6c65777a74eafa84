"""The tables of live metrics that are watched for drift."""

from state.deadline_queue import DeadlineQueue
from state.metrics.table import MetricsTable
from state.policies_in_force import Policies
from state.storage.table import Table, row_key


class DriftTables:
    """Holds what the agent of drift owns in one partition.

    metrics: by subject, metric and segment. rules_applied: metrics, and the rule by which all their
    rows stand. rewatches: metrics, by when one of their versions is watched anew.
    """

    def __init__(self, policies: Policies) -> None:
        self.policies = policies
        self.metrics = MetricsTable()
        # Worked out anew after a restore, never stored.
        self.rules_applied: dict[str, object] = {}
        self.rewatches = DeadlineQueue()

    def stored(self) -> tuple[Table, ...]:
        """The tables with a changelog."""
        return (self.metrics,)

    def forget_rule(self, subject: str, metric: str) -> None:
        """Has all rows of a metric looked at with the next of its records."""
        self.rules_applied.pop(row_key(subject, metric), None)
        self.metrics.out_of_hand(subject, metric)
