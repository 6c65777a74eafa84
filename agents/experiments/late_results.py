"""Results that come from after the end of their experiment: they are counted, and nothing follows
from them.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from agents.core.batch import Facts, Ints
from agents.experiments.totals.contributions import MIXED_KINDS, Contributions
from agents.experiments.totals.totals import Flags
from schemas.records import ExperimentRow
from schemas.refusals import RefusedRecord
from state.partition.experiment_tables import ExperimentTables
from state.row_expiry import rested
from state.storage.table import row_key


def late_of(facts: Facts, measure: Contributions) -> Flags:
    """Which records are of a moment at which their experiment judges no more, shape (n,)."""
    return np.asarray(facts.ints("occurred_at") >= measure.ends_at)


def count_mixed(facts: Facts, tables: ExperimentTables, refused: Iterable[RefusedRecord]) -> None:
    """Counts records of the other kind with the experiments that refused them."""
    at = [one.index for one in refused if one.reason == MIXED_KINDS]
    for key, (n, last) in _by_experiment(facts, np.array(at, np.int64)).items():
        row = tables.experiments.get(key)
        if row is not None:
            tables.experiments.put(heard(replace(row, mixed=row.mixed + n), int(facts.now[last])))


def count_late(facts: Facts, tables: ExperimentTables, late: Flags) -> bool:
    """Counts late records with their experiments; returns whether there are any."""
    at = np.flatnonzero(late)
    if not len(at):
        return False
    for key, (n, last) in _by_experiment(facts, at).items():
        row = tables.experiments.get(key)
        assert row is not None, f"{key} has an end and no row"
        tables.experiments.put(heard(replace(row, late=row.late + n), int(facts.now[last])))
    return True


def heard(row: ExperimentRow, now: int) -> ExperimentRow:
    """The row after something came of it: what is over and still sends stays in the tables, or it
    would begin anew.
    """
    return replace(row, leaves_at=rested(now)) if row.leaves_at >= 0 else row


def _by_experiment(facts: Facts, at: Ints) -> dict[str, tuple[int, int]]:
    """How many of these records, which ascend, are of each experiment, and which is the last of
    them.
    """
    if not len(at):
        return {}
    columns = (
        facts.batch.column(name).take(pa.array(at)).to_pylist()
        for name in ("subject", "experiment_id")
    )
    names = list(zip(*columns, strict=True))
    last = dict(zip(names, at.tolist(), strict=True))
    return {row_key(*name): (n, last[name]) for name, n in Counter(names).items()}
