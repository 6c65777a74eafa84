"""The rows of one subject's metric, of which a slice takes up as few as it can."""

from collections.abc import Iterable

from agents.drift.rule import BadWhen, Rule
from agents.drift.unjudged_metrics import is_mended
from schemas.records import MetricRow
from state.partition.drift_tables import BEHIND, METRIC, DriftTables
from state.storage.table import row_key

Rows = dict[str | None, MetricRow]  # of one metric, by segment


class Sheet:
    """Rows that no record names stay as they are, unless the rule of the metric, a command or a
    finding concerns them.
    """

    def __init__(self, named: tuple[str, str], tables: DriftTables) -> None:
        """named: subject and metric."""
        self._named, self._tables = named, tables

    def rows(self, rule: Rule, labels: Iterable[str]) -> Rows:
        """The rows of the whole and of these segments, as far as they are there; all where they may
        not fit the rule.
        """
        if self._tables.rules_applied.get(row_key(*self._named)) != rule:
            return self.all()
        found = (
            (label, self._tables.metrics.get(row_key(*self._named, label)))
            for label in (None, *labels)
        )
        return {label: row for label, row in found if row is not None}

    def all(self) -> Rows:
        return self._marked(METRIC, *self._named)

    def behind(self, version: str) -> Rows:
        """The segments that took in records of a version since it was last suspected in the whole:
        they are to remember where they stood.
        """
        return self._marked(BEHIND, *self._named, version)

    def store(self, rows: Rows, rule: Rule) -> None:
        """Puts the rows that changed; rows: of these segments and the whole, after records were
        folded by the rule.
        """
        for row in rows.values():
            if row is not self._tables.metrics.get(row_key(*self._named, row.segment)):
                self._tables.metrics.put(row)
        if misfit(rows.values(), rule):
            self._tables.rules_applied.pop(row_key(*self._named), None)
        else:
            self._tables.rules_applied[row_key(*self._named)] = rule

    def _marked(self, mark: str, *parts: str) -> Rows:
        return {row.segment: row for row in self._tables.metrics.marked(mark, row_key(*parts))}


def misfit(rows: Iterable[MetricRow], rule: Rule) -> bool:
    """Whether a metric begins anew, because one of its rows was counted in another way, or the
    policy mended it.
    """
    return any(of_another_kind(row, rule) or is_mended(row, rule) for row in rows)


def of_another_kind(row: MetricRow, rule: Rule) -> bool:
    """Whether the policy counts the metric in another way than it did: what was learned is of
    another quantity.
    """
    if rule.how == BadWhen.RATE:
        return row.limit is not None or bool(row.values)
    if rule.how != BadWhen.LIMIT:
        return False
    if row.limit is None:
        return row.reference_count > 0
    return rule.limit is not None and row.limit != rule.limit
