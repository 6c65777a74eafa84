"""Cuts the slices of a history into smaller ones, most often near what tells."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from agents.core.batch import Slice
from schemas.catalog import METRICS, RESULTS
from state.partition.partition_state import PartitionState
from tests.support.histories.folding import Step, Told


def pieces(piece: Slice, at: Iterable[int]) -> Iterator[Slice]:
    """The slice cut before the records at these positions."""
    records = piece.records
    bounds = [0, *sorted({cut for cut in at if 0 < cut < len(records)}), len(records)]
    for first, last in pairwise(bounds):
        if first < last:
            yield Slice.of(piece.topic, piece.partition, records[first:last])


def telling_offsets(tables: PartitionState) -> dict[str, set[int]]:
    """Where something happened, by topic: near it a wrong fold is likeliest to show."""
    arms = tables.experiments.arms
    n = len(arms)
    columns = ("first_offset", "applied_offset", "base_offset", "harm_offset", "gain_offset")
    results = {int(offset) for column in columns for offset in arms[column][:n]}
    results |= {
        done.offset for row in tables.experiments.experiments.rows() for done in row.decided
    }
    versions = [version for row in tables.drift.metrics.rows() for version in row.versions]
    metrics = {
        offset for v in versions for offset in (v.first_offset, v.applied_offset, v.window_offset)
    }
    return {RESULTS: results, METRICS: metrics}


def cut_anywhere(
    steps: Sequence[Step], telling: dict[str, set[int]], rng: np.random.Generator
) -> Iterator[Step]:
    """Every slice cut at a few places: before or after telling records, and at random."""
    for step in steps:
        if isinstance(step, Told):
            yield step
            continue
        told = telling.get(step.topic, set())
        near = [at for at, record in enumerate(step.records) if record.offset() in told]
        near = [at + int(rng.integers(0, 2)) for at in near if rng.random() < 0.25]
        anywhere = rng.integers(0, max(1, len(step.records)), int(rng.integers(0, 5))).tolist()
        yield from pieces(step, [*near, *anywhere])
