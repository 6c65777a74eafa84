"""Counts each unit once: its first record of a metric within the dedupe stretch of the partition.

Bounded like the ids: a unit that comes again after more than the window's offsets is taken for a
new one. Records without a unit_id are taken for independent of each other, and their rows say so
(`unnamed_offset`). A unit whose last record of a metric was in another arm of it belongs to none:
the record is left out and counted (`crossed`).
"""

import numpy as np
import pyarrow as pa

from agents.core.batch import Facts, Ints
from agents.experiments.plan.terms import Tally
from agents.experiments.row_lookup import Named
from agents.experiments.totals.running_totals import Running
from agents.experiments.totals.totals import Flags
from schemas.ids import hash64
from state.partition.experiment_tables import ExperimentTables
from state.storage.columnar_table import combine


def repeats(
    facts: Facts, tables: ExperimentTables, names: Named, good: Flags, rows: Ints
) -> tuple[Flags, Flags]:
    """Which records, shape (n,), are of a unit that had one in this arm and metric already, and
    which of one whose last record was in another arm; remembers the good ones.

    rows: the whole row of each good record. What came before its experiment began is of one that
    left the tables, under the same id.
    """
    found, crossed = np.zeros(len(facts), np.bool_), np.zeros(len(facts), np.bool_)
    ids = facts.batch.column("unit_id")
    if ids.null_count == len(ids):
        return found, crossed
    named = np.flatnonzero(good & np.asarray(ids.is_valid().to_numpy(zero_copy_only=False)))
    if len(named):
        units, offsets = hash64(ids.take(pa.array(named))), facts.offsets[named]
        of_record = np.zeros(len(facts), np.int64)
        of_record[good] = rows
        since = tables.arms.started_offset[of_record[named]]
        own = _since(tables.units.carriers(combine([names.whole[named], units]), offsets), since)
        metric = [part[named] for part in names.arm[:3]]
        last = _since(tables.unit_arms.carriers(combine([*metric, units]), offsets), since)
        found[named] = own >= 0
        crossed[named] = (last >= 0) & (last != own)
    return found, crossed


def _since(carriers: Ints, since: Ints) -> Ints:
    return np.where(carriers >= since, carriers, -1)


def uncounted(repeated: Flags, tally: Ints) -> Flags:
    """Of a RATE a unit's later records are not counted; of others they are, and the row tells how
    many there were.
    """
    return np.asarray(repeated & (tally == Tally.RATE))


def note(
    facts: Facts, tables: ExperimentTables, after: Running, repeated: Flags, crossed: Flags
) -> None:
    """Notes in the rows what had no unit_id, the repeats, and the units that were in another arm
    before.
    """
    arms, runs = tables.arms, after.runs
    ids = facts.batch.column("unit_id")
    fresh = arms.unnamed_offset[runs.each] < 0
    if ids.null_count and fresh.any():
        unnamed = np.asarray(ids.is_null().to_numpy(zero_copy_only=False))[after.records]
        first = np.minimum.reduceat(np.where(unnamed, after.records, len(facts)), runs.starts)
        found = fresh & (first < len(facts))
        arms.unnamed_offset[runs.each[found]] = facts.offsets[first[found]]
    if crossed.any():
        arms.crossed[runs.each] += np.add.reduceat(
            crossed[after.records].astype(np.int64), runs.starts
        )
    if repeated.any():
        arms.repeats[runs.each] += np.add.reduceat(
            repeated[after.records].astype(np.int64), runs.starts
        )
