"""Whether an experiment's rows have room for another name: an id sent as a variant would make a row
without an end.

What has no room opens no row and is refused, record by record in the order of the log; names that
are known go on.
"""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import pyarrow as pa

from agents.core.batch import Facts, Ints
from agents.experiments.plan.frozen_plan import plan_of_experiment
from agents.experiments.row_lookup import Named
from schemas.refusals import RefusedRecord
from schemas.row_limits import (
    METRIC_BYTES_MAX,
    METRICS_MAX,
    PAIR_BYTES_MAX,
    PAIRS_MAX,
    SEGMENTS_MAX,
    VARIANTS_MAX,
    bytes_of,
)
from state.arms_table import ARM_NAMES
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import ExperimentTables
from state.storage.columnar_table import combine, hash_part
from state.storage.table import row_key

_NULL = hash_part(pa.nulls(1, pa.string()))
_Why = tuple[str, str]  # a reason and a sentence
_SHOWN = 40  # characters of a name


class Room:
    """The names of one experiment, and those that were let in since.

    What it costs to make one does not grow with how many names there are: a stranger may have it
    made for each slice.
    """

    def __init__(self, tables: ExperimentTables, subject: str, experiment_id: str) -> None:
        number = tables.index.number(row_key(subject, experiment_id))
        self._row = plan_of_experiment(tables, subject, experiment_id)
        self._arms = tables.index[number] if number is not None else ExperimentArms("")
        self._variants: dict[str, set[str]] = {}
        self._segments: set[tuple[str, str]] = set()  # those let in
        self._segments_count = self._arms.segments

    @cached_property
    def _metrics(self) -> set[str]:
        return {spec.name for spec in self._row.metrics}

    @cached_property
    def _metric_bytes(self) -> int:
        return bytes_of(*self._metrics)

    @cached_property
    def _pairs(self) -> set[tuple[str, str]]:
        stated = {(pair.variant, pair.metric) for pair in self._row.pairs}
        groups = (*self._arms.arms.items(), *self._variants.items())
        return stated | {(variant, metric) for metric, group in groups for variant in group}

    @cached_property
    def _pair_bytes(self) -> int:
        return sum(bytes_of(*pair) for pair in self._pairs)

    def admit(self, metric: str, variant: str, segment: str | None) -> _Why | None:
        """Lets a name in, or says why there is no room for it."""
        variants = self._of(metric)
        why = None
        if metric not in self._metrics:
            why = self._metric(metric)
        if why is None and variant not in variants:
            why = self._variant(metric, variant, len(variants))
        if why is None and segment is not None and not self._knows(metric, segment):
            why = self._segment(segment)
        if why is None:
            self._take(metric, variant, segment)
        return why

    def _take(self, metric: str, variant: str, segment: str | None) -> None:
        if metric not in self._metrics:
            self._metric_bytes += bytes_of(metric)
            self._metrics.add(metric)
        variants = self._of(metric)
        if variant not in variants and (pair := (variant, metric)) not in self._pairs:
            self._pair_bytes += bytes_of(*pair)
            self._pairs.add(pair)
        variants.add(variant)
        if segment is not None and not self._knows(metric, segment):
            self._segments.add((metric, segment))
            self._segments_count += 1

    def _of(self, metric: str) -> set[str]:
        """The variants of a metric."""
        if metric not in self._variants:
            self._variants[metric] = set(self._arms.arms.get(metric, ()))
        return self._variants[metric]

    def _knows(self, metric: str, segment: str) -> bool:
        there = (metric, segment, None) in self._arms.parts
        return there or (metric, segment) in self._segments

    def _metric(self, metric: str) -> _Why | None:
        if (
            len(self._metrics) >= METRICS_MAX
            or self._metric_bytes + bytes_of(metric) > METRIC_BYTES_MAX
        ):
            return (
                "TOO_MANY_METRICS",
                f"metric {metric[:_SHOWN]!r} would be one of more than {METRICS_MAX}, or "
                f"{METRIC_BYTES_MAX} bytes of "
                "names, of its experiment",
            )
        return None

    def _variant(self, metric: str, variant: str, there: int) -> _Why | None:
        if there >= VARIANTS_MAX or not self._has_room((variant, metric)):
            return (
                "TOO_MANY_VARIANTS",
                f"variant {variant[:_SHOWN]!r} would be one of more than {VARIANTS_MAX} of its "
                f"metric, or {PAIRS_MAX} or "
                f"{PAIR_BYTES_MAX} bytes of its experiment: is it an id?",
            )
        return None

    def _has_room(self, pair: tuple[str, str]) -> bool:
        if pair in self._pairs:
            return len(self._pairs) <= PAIRS_MAX and self._pair_bytes <= PAIR_BYTES_MAX
        size = self._pair_bytes + bytes_of(*pair)
        return len(self._pairs) < PAIRS_MAX and size <= PAIR_BYTES_MAX

    def _segment(self, segment: str) -> _Why | None:
        if self._segments_count < SEGMENTS_MAX:
            return None
        sentence = (
            f"segment {segment[:_SHOWN]!r} would be one of more than {SEGMENTS_MAX} of its "
            "experiment: is it an id?"
        )
        return "TOO_MANY_SEGMENTS", sentence


def crowded(
    facts: Facts, tables: ExperimentTables, names: Named, found: Ints, kept: Iterable[int]
) -> list[RefusedRecord]:
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
            refused.append(RefusedRecord(i, *why))
    return refused


def opened(
    facts: Facts, tables: ExperimentTables, names: Named, found: Ints
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each record's rows were open when it came, shape (n,): what opened none, or came
    before it, was refused.
    """
    good = (found >= 0) & (facts.offsets >= tables.arms.first_offset[found])
    at = _segmented(facts)
    if len(at):
        rows = tables.arms.find(_segment_hashes(names, at))
        good[at] &= (rows >= 0) & (facts.offsets[at] >= tables.arms.first_offset[rows])
    return np.asarray(good, np.bool_)


def _strange_segment(
    facts: Facts, tables: ExperimentTables, names: Named, at: Ints
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
