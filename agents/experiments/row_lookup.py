"""Which rows a record adds to: its arm as a whole, its segment of it, and in a ramp the step its
unit was assigned in.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from agents.core.batch import Facts, Ints
from agents.experiments.arms.arms import Key, open_arm
from agents.experiments.evidence.ramp_steps import assigned_steps
from schemas.ids import hash64
from state.arms_table import ARM_NAMES
from state.partition.experiment_tables import ExperimentTables
from state.storage.columnar_table import Hashes, combine, hash_part

_COLUMNS = ARM_NAMES[:5]  # the sixth, the step of a ramp, is worked out
_NULL = hash_part(pa.nulls(1, pa.string()))


@dataclass(frozen=True, slots=True)
class Named:
    """The names of the records' arms as hashes, each shape (n,); whole: of the arm without segment
    and step.
    """

    arm: tuple[Hashes, ...]
    segment: Hashes
    whole: Hashes


def named(facts: Facts) -> Named:
    parts = [hash_part(facts.batch.column(name)) for name in _COLUMNS]
    return Named(tuple(parts[:4]), parts[4], combine([*parts[:4], _NULL, _NULL]))


def find_rows(
    facts: Facts, tables: ExperimentTables, names: Named, found: Ints, kept: Ints
) -> tuple[Ints, Ints]:
    """The rows that the kept records add to, and which record adds to each: wholes in their order,
    then parts.

    found: (n,) the row of each record's arm as a whole, -1 where it has none yet.
    """
    wholes = found[kept]
    if (wholes < 0).any():
        wholes = _find_or_open(facts, tables, names.whole[kept], kept)
    rows, records = [wholes], [kept]
    segmented = kept[
        np.asarray(facts.batch.column("segment").is_valid().to_numpy(zero_copy_only=False))[kept]
    ]
    if len(segmented):
        hashes = combine(
            [*(part[segmented] for part in names.arm), names.segment[segmented], _NULL]
        )
        rows.append(_find_or_open(facts, tables, hashes, segmented, segment=True))
        records.append(segmented)
    ramped = np.flatnonzero(tables.arms.stepped[rows[0]])
    if len(ramped):
        stepped = kept[ramped]
        part = facts.take(stepped)
        steps = assigned_steps(part, tables, tables.arms.experiment_no[rows[0][ramped]])
        texts = [str(step) for step in range(int(steps.max()) + 1)]
        hashes = combine(
            [
                *(part[stepped] for part in names.arm),
                _NULL,
                hash64(pa.array(texts, pa.string()))[steps],
            ]
        )
        rows.append(_find_or_open(facts, tables, hashes, stepped, steps=steps))
        records.append(stepped)
    return np.concatenate(rows), np.concatenate(records)


def _find_or_open(
    facts: Facts,
    tables: ExperimentTables,
    hashes: Hashes,
    at: Ints,
    segment: bool = False,
    steps: Ints | None = None,
) -> Ints:
    found = tables.arms.find(hashes)
    if (found >= 0).all():
        return found
    unknown = np.flatnonzero(found < 0)
    _, first = np.unique(hashes[unknown], return_index=True)
    columns, occurred = [facts.batch.column(name) for name in _COLUMNS], facts.ints("occurred_at")
    for i in unknown[
        np.sort(first)
    ]:  # in the order of the log, which fixes the levels of unspecified pairs
        names = [column[int(at[i])].as_py() for column in columns]
        step = str(int(steps[i])) if steps is not None else None
        key: Key = (names[0], names[1], names[2], names[3], names[4] if segment else None, step)
        open_arm(
            tables,
            int(hashes[i]),
            key,
            int(facts.offsets[at[i]]),
            int(occurred[at[i]]),
            int(facts.now[at[i]]),
        )
    return tables.arms.find(hashes)
