"""Results that come from after the end of their experiment: they are counted, and nothing follows from them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from agents.judge.sides import Flags
from agents.judge.tally import MIXED_KINDS, Measure
from agents.slice import Facts, Ints
from schemas.refusals import Refused
from state.table import row_key
from state.tables import Tables


def late_of(facts: Facts, measure: Measure) -> Flags:
    """Which records are of a moment at which their experiment judges no more, shape (n,)."""
    return np.asarray(facts.ints("occurred_at") >= measure.ends_at)


def count_mixed(facts: Facts, tables: Tables, refused: Iterable[Refused]) -> None:
    """Counts records of the other kind with the experiments that refused them."""
    at = [one.index for one in refused if one.reason == MIXED_KINDS]
    for key, n in _by_experiment(facts, np.array(at, np.int64)).items():
        row = tables.experiments.get(key)
        if row is not None:
            tables.experiments.put(replace(row, mixed=row.mixed + n))


def count_late(facts: Facts, tables: Tables, late: Flags) -> bool:
    """Counts late records with their experiments; returns whether there are any."""
    at = np.flatnonzero(late)
    if not len(at):
        return False
    for key, n in _by_experiment(facts, at).items():
        row = tables.experiments.get(key)
        assert row is not None, f"{key} has an end and no row"
        tables.experiments.put(replace(row, late=row.late + n))
    return True


def _by_experiment(facts: Facts, at: Ints) -> dict[str, int]:
    names = (facts.batch.column(name).take(pa.array(at)).to_pylist() for name in ("subject", "experiment_id"))
    return {row_key(*name): n for name, n in Counter(zip(*names, strict=True)).items()} if len(at) else {}
