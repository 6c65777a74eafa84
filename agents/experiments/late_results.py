"""Results that come from after the end of their experiment, and those of the other kind: they are
counted, and nothing follows from them.
"""

from dataclasses import replace

from agents.experiments.plan.frozen_plan import MetricPlan
from schemas.records import ExperimentResult, ExperimentRow
from state.partition.experiment_tables import ExperimentTables
from state.row_expiry import rested
from state.storage.table import row_key


def is_late(result: ExperimentResult, terms: MetricPlan) -> bool:
    """Whether a result is of a moment at which its experiment judges no more."""
    return result.occurred_at >= terms.ends_at


def count_mixed(result: ExperimentResult, now: int, tables: ExperimentTables) -> None:
    """Counts a record of the other kind with the experiment that refused it."""
    row = tables.experiments.get(row_key(result.subject, result.experiment_id))
    if row is not None:
        tables.experiments.put(heard(replace(row, mixed=row.mixed + 1), now))


def count_late(result: ExperimentResult, now: int, tables: ExperimentTables) -> None:
    """Counts a late record with its experiment."""
    row = tables.experiments.get(row_key(result.subject, result.experiment_id))
    assert row is not None, f"{result.experiment_id} has an end and no row"
    tables.experiments.put(heard(replace(row, late=row.late + 1), now))


def heard(row: ExperimentRow, now: int) -> ExperimentRow:
    """The row after something came of it: what is over and still sends stays in the tables, or it
    would begin anew.
    """
    return replace(row, leaves_at=rested(now)) if row.leaves_at >= 0 else row
