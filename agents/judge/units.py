"""Counts each unit once: its first record of a metric within the dedupe stretch of the partition.

Bounded like the ids: a unit that comes again after more than the window's offsets is taken for a new one. Records
without a unit_id are taken for independent of each other, and their rows say so (`unnamed_offset`).
"""

import numpy as np
import pyarrow as pa

from agents.judge.running import Running
from agents.judge.sides import Flags
from agents.judge.terms import Tally
from agents.slice import Facts, Ints
from schemas.ids import hash64
from state.columnar import Hashes, combine
from state.tables import Tables


def repeats(facts: Facts, tables: Tables, whole: Hashes, good: Flags) -> Flags:
    """Which records, shape (n,), are of a unit that had one in this arm and metric already; remembers the good ones."""
    found = np.zeros(len(facts), np.bool_)
    ids = facts.batch.column("unit_id")
    if ids.null_count == len(ids):
        return found
    named = np.flatnonzero(good & np.asarray(ids.is_valid().to_numpy(zero_copy_only=False)))
    if len(named):
        keys = combine([whole[named], hash64(ids.take(pa.array(named)))])
        found[named] = tables.units.duplicates(keys, facts.offsets[named])
    return found


def uncounted(repeated: Flags, tally: Ints) -> Flags:
    """Of a RATE a unit's later records are not counted; of others they are, and the row tells how many there were."""
    return np.asarray(repeated & (tally == Tally.RATE))


def note(facts: Facts, tables: Tables, after: Running, repeated: Flags) -> None:
    """Notes in the rows what had no unit_id, and the repeats."""
    arms, runs = tables.arms, after.runs
    ids = facts.batch.column("unit_id")
    fresh = arms["unnamed_offset"][runs.each] < 0
    if ids.null_count and fresh.any():
        unnamed = np.asarray(ids.is_null().to_numpy(zero_copy_only=False))[after.records]
        first = np.minimum.reduceat(np.where(unnamed, after.records, len(facts)), runs.starts)
        found = fresh & (first < len(facts))
        arms["unnamed_offset"][runs.each[found]] = facts.offsets[first[found]]
    if repeated.any():
        arms["repeats"][runs.each] += np.add.reduceat(repeated[after.records].astype(np.int64), runs.starts)
