"""Whether an experiment's rows have room for another name: an id sent as a variant would make a row without an end.

What has no room opens no row and is refused, record by record in the order of the log; names that are known go on.
"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from agents.judge.experiments import plan_of_experiment
from agents.judge.rows import Named
from agents.slice import Facts, Ints
from schemas.bounds import (
    METRIC_BYTES_MOST,
    METRICS_MOST,
    PAIR_BYTES_MOST,
    PAIRS_MOST,
    SEGMENTS_MOST,
    VARIANTS_MOST,
    bytes_of,
)
from schemas.refusals import Refused
from state.columnar import combine, hash_part
from state.table import row_key
from state.tables import ARM_NAMES, Tables

_NULL = hash_part(pa.nulls(1, pa.string()))
_Why = tuple[str, str]  # a reason and a sentence
_SHOWN = 40  # characters of a name


class Room:
    """The names of one experiment, and those that were let in since."""

    def __init__(self, tables: Tables, subject: str, experiment_id: str) -> None:
        row = plan_of_experiment(tables, subject, experiment_id)
        number = tables.trials.number(row_key(subject, experiment_id))
        trial = tables.trials[number] if number is not None else None
        self._metrics = {spec.name for spec in row.metrics}
        self._variants = {metric: set(group) for metric, group in (trial.arms if trial else {}).items()}
        stated = {(pair.variant, pair.metric) for pair in row.pairs}
        self._pairs = stated | {(v, metric) for metric, group in self._variants.items() for v in group}
        self._pair_bytes = sum(bytes_of(*pair) for pair in self._pairs)
        self._metric_bytes = bytes_of(*self._metrics)
        parts = trial.parts if trial else {}
        self._segments = {(metric, segment) for metric, segment, step in parts if step is None}

    def admit(self, metric: str, variant: str, segment: str | None) -> _Why | None:
        """Lets a name in, or says why there is no room for it."""
        variants = self._variants.get(metric, set())
        why = None
        if metric not in self._metrics:
            why = self._metric(metric)
        if why is None and variant not in variants:
            why = self._variant(metric, variant, len(variants))
        if why is None and segment is not None and (metric, segment) not in self._segments:
            why = self._segment(segment)
        if why is not None:
            return why
        if metric not in self._metrics:
            self._metrics.add(metric)
            self._metric_bytes += bytes_of(metric)
        if (pair := (variant, metric)) not in self._pairs:
            self._pairs.add(pair)
            self._pair_bytes += bytes_of(*pair)
        self._variants.setdefault(metric, set()).add(variant)
        if segment is not None:
            self._segments.add((metric, segment))
        return None

    def _metric(self, metric: str) -> _Why | None:
        if len(self._metrics) >= METRICS_MOST or self._metric_bytes + bytes_of(metric) > METRIC_BYTES_MOST:
            return (
                "TOO_MANY_METRICS",
                f"metric {metric[:_SHOWN]!r} would be one of more than {METRICS_MOST}, or {METRIC_BYTES_MOST} bytes of "
                "names, of its experiment",
            )
        return None

    def _variant(self, metric: str, variant: str, there: int) -> _Why | None:
        pair = (variant, metric)
        size = self._pair_bytes + (0 if pair in self._pairs else bytes_of(*pair))
        pairs = len(self._pairs) + (pair not in self._pairs)
        if there >= VARIANTS_MOST or pairs > PAIRS_MOST or size > PAIR_BYTES_MOST:
            return (
                "TOO_MANY_VARIANTS",
                f"variant {variant[:_SHOWN]!r} would be one of more than {VARIANTS_MOST} of its metric, or {PAIRS_MOST} or "
                f"{PAIR_BYTES_MOST} bytes of its experiment: is it an id?",
            )
        return None

    def _segment(self, segment: str) -> _Why | None:
        if len(self._segments) < SEGMENTS_MOST:
            return None
        sentence = (
            f"segment {segment[:_SHOWN]!r} would be one of more than {SEGMENTS_MOST} of its experiment: is it an id?"
        )
        return "TOO_MANY_SEGMENTS", sentence


def crowded(facts: Facts, tables: Tables, names: Named, found: Ints, kept: Iterable[int]) -> list[Refused]:
    """Of the kept records those that would need a row for which there is no room, ascending.

    found: (n,) the row of each record's arm as a whole, -1 where it has none yet.
    """
    at = np.asarray(kept, np.int64)
    strange = at[(found[at] < 0) | _strange_segment(facts, tables, names, at)]
    if not len(strange):
        return []
    columns = [facts.batch.column(name) for name in ARM_NAMES[:5]]
    rooms: dict[tuple[str, str], Room] = {}
    told: dict[tuple[str | None, ...], _Why | None] = {}
    refused = []
    for i in strange.tolist():
        key = tuple(column[i].as_py() for column in columns)
        if key not in told:
            subject, experiment_id, metric, variant, segment = key
            room = rooms.get((subject, experiment_id))
            if room is None:
                room = rooms[subject, experiment_id] = Room(tables, subject, experiment_id)
            told[key] = room.admit(metric, variant, segment)
        if (why := told[key]) is not None:
            refused.append(Refused(i, *why))
    return refused


def opened(facts: Facts, tables: Tables, names: Named, found: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each record's rows were open when it came, shape (n,): what opened none, or came before it, was refused."""
    good = (found >= 0) & (facts.offsets >= tables.arms["first_offset"][found])
    at = _segmented(facts)
    if len(at):
        rows = tables.arms.find(_segment_hashes(names, at))
        good[at] &= (rows >= 0) & (facts.offsets[at] >= tables.arms["first_offset"][rows])
    return np.asarray(good, np.bool_)


def _strange_segment(
    facts: Facts, tables: Tables, names: Named, at: Ints
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of these records have a segment without a row, shape of `at`."""
    strange = np.zeros(len(facts), np.bool_)
    segmented = _segmented(facts)
    if len(segmented):
        strange[segmented] = tables.arms.find(_segment_hashes(names, segmented)) < 0
    return strange[at]


def _segmented(facts: Facts) -> Ints:
    column = facts.batch.column("segment")
    if column.null_count == len(column):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.asarray(column.is_valid().to_numpy(zero_copy_only=False)))


def _segment_hashes(names: Named, at: Ints) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return combine([*(part[at] for part in names.arm), names.segment[at], _NULL])
