"""Cases of two experiments of a subject on the same units, whose effects are alike in each other's
arms, or are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from agents.core.batch import Slice
from agents.experiments.plan.specs import apply_spec
from agents.experiments.verdicts.interactions import interactions_of
from agents.flow.fold_results import fold_results
from agents.flow.ingress import BatchFates
from bench.case import Bar, Case
from bench.experiments import CONVERSION, experiment
from schemas.catalog import RESULTS
from schemas.codec.columns import encode_batch
from schemas.codec.flat_schema import arrow_schema
from state.partition.partition_state import PartitionState
from state.storage.table import row_key
from streams.operations.simulated_tests import CODEC, NEVER, NOON, VARIANTS, Ints

NAMES = ("a", "b")
LOOK = 1_000  # units between two looks


@dataclass(frozen=True, slots=True)
class Rates:
    """Of a conversion, by the arms of both experiments."""

    neither: float
    first: float
    second: float
    both: float

    def of(self, first: Any, second: Any) -> Any:
        return np.where(
            first,
            np.where(second, self.both, self.first),
            np.where(second, self.second, self.neither),
        )


def overlapping(rng: np.random.Generator, subjects: int, rates: Rates, units: int = 10_000) -> Ints:
    """After how many units an interaction was found in each subject, shape (subjects,); NEVER: it
    was not. Each unit sends its outcome to either experiment, in any order.
    """
    tables, found, offset = PartitionState(0, 1), np.full(subjects, NEVER), 0
    for name in NAMES:
        for number in range(subjects):
            spec = replace(experiment(CONVERSION), experiment_id=name, subject=f"s{number}")
            assert apply_spec(spec, 0, tables.experiments) is None
    for start in range(0, units, LOOK):
        arms = rng.random((len(NAMES), LOOK, subjects)) < 0.5
        value = rng.random(arms.shape[1:]) < rates.of(arms[0], arms[1])
        for piece in _slices(rng, arms, value, start, offset):
            fates = BatchFates()
            fold_results(piece, piece.append_times, tables, CODEC, fates)
            assert fates.applied == len(piece.values), fates.refused[:1]
            offset = piece.next_offset
        for number in np.flatnonzero(found == NEVER).tolist():
            row = tables.experiments.experiments.get(row_key(f"s{number}", NAMES[0]))
            assert row is not None
            if interactions_of(row, tables.experiments):
                found[number] = start + LOOK
    return found


def _slices(
    rng: np.random.Generator, arms: Any, value: Any, start: int, offset: int
) -> list[Slice]:
    """The records of so many units of all subjects, both of a unit one after the other."""
    _, n, subjects = arms.shape
    first = rng.integers(2, size=(n, subjects))  # which experiment's comes first
    which = np.stack([first, 1 - first], axis=1).reshape(-1)
    unit = np.repeat(np.arange(start, start + n), 2 * subjects)
    subject = np.tile(np.arange(subjects), 2 * n)
    variant = arms[which, unit - start, subject].astype(np.int32)
    total = len(which)
    numbers = np.arange(offset, offset + total)
    moments = np.full(total, NOON) + unit * 1_000
    known = {
        "event_id": pa.array(numbers).cast(pa.string()),
        "subject": pa.array(np.char.add("s", subject.astype(str))),
        "experiment_id": pa.DictionaryArray.from_arrays(which.astype(np.int32), pa.array(NAMES)),
        "variant": pa.DictionaryArray.from_arrays(variant, VARIANTS),
        "unit_id": pa.array(unit).cast(pa.string()),
        "metric": pa.array([CONVERSION.name] * total),
        "kind": pa.array(["OBSERVATION"] * total),
        "count": pa.array(np.ones(total, np.int64)),
        "sum": pa.array(value[unit - start, subject].astype(np.float64)),
        "occurred_at": pa.array(moments),
    }
    schema = arrow_schema("ExperimentResult")
    arrays = [known.get(field.name, pa.nulls(total, field.type)) for field in schema]
    batch = pa.RecordBatch.from_arrays(arrays, names=schema.names)
    values = encode_batch(batch, "ExperimentResult", CODEC)
    return [
        Slice(
            RESULTS,
            0,
            (),
            values[at : at + 40_000],
            numbers[at : at + 40_000],
            moments[at : at + 40_000],
        )
        for at in range(0, total, 40_000)
    ]


def _joined(batches: Sequence[Any]) -> Ints:
    return np.concatenate(list(batches))


def _found(worlds: Sequence[Sequence[Any]]) -> float:
    """The share of subjects in which an interaction was found, of the world with most."""
    return max(float(np.mean(_joined(batches) < NEVER)) for batches in worlds)


def _units(worlds: Sequence[Sequence[Any]]) -> float:
    """The median of units until it is, of the slowest world."""
    return max(float(np.median(_joined(batches))) for batches in worlds)


# Nothing at all; both better by themselves, whose odds multiply; one of them far better.
ALIKE = (
    Rates(0.1, 0.1, 0.1, 0.1),
    Rates(0.1, 0.12, 0.15, 0.12 * 0.15 * 9.0 / (0.88 * 0.85 + 0.12 * 0.15 * 9.0)),
    Rates(0.02, 0.02, 0.3, 0.3),
)

CASES = (
    Case(
        "two experiments on the same units, effects alike",
        tuple(partial(overlapping, rates=rates) for rates in ALIKE),
        (Bar("interaction found", 0.05, _found),),
        300,
        50,
    ),
    Case(
        "two experiments on the same units, 10 % -> 15 % by either, back to 10 % by both",
        (partial(overlapping, rates=Rates(0.1, 0.15, 0.15, 0.1)),),
        (Bar("median units until it is found", 6_000, _units),),
        100,
        50,
    ),
)
