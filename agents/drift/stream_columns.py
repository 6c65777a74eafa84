"""The records of one stream as columns."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from agents.core.batch import Floats, Ints
from agents.drift.metric_rows import barred
from schemas.records import MetricRow

_FEW = 32  # values that are added up sooner by Python than by numpy


class Column(IntEnum):
    """Where each whole number of a record stands; together in one array, so that many small streams
    take it in one step.
    """

    AT = 0  # position in the slice's facts
    OFFSET = 1
    VERSION = 2  # code
    COUNT = 3  # units
    JUDGED = 4  # units that the stream compares
    BAD = 5  # of those
    COARSE = 6  # units that cannot be compared
    WHOLE_JUDGED = 7  # what the whole compares of the record, by its own limit
    WHOLE_BAD = 8
    TIME = 9  # of the event, ms
    NOW = 10  # the broker's clock, ms


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one stream in the order of the log; ints: (columns, n), see Column; total: (n,),
    the sums of values.
    """

    ints: Ints
    total: Floats

    @staticmethod
    def of(
        at: Ints, offsets: Ints, version: Ints, count: Ints, total: Floats, times: Ints, now: Ints
    ) -> "Records":
        ints = np.zeros((len(Column), len(at)), np.int64)
        ints[: Column.JUDGED] = at, offsets, version, count
        ints[Column.TIME] = times
        ints[Column.NOW] = now
        return Records(ints, total)

    @property
    def at(self) -> Ints:
        return self._column(Column.AT)

    @property
    def offsets(self) -> Ints:
        return self._column(Column.OFFSET)

    @property
    def version(self) -> Ints:
        return self._column(Column.VERSION)

    @property
    def count(self) -> Ints:
        return self._column(Column.COUNT)

    @property
    def judged(self) -> Ints:
        return self._column(Column.JUDGED)

    @property
    def bad(self) -> Ints:
        return self._column(Column.BAD)

    @property
    def times(self) -> Ints:
        return self._column(Column.TIME)

    @property
    def now(self) -> Ints:
        return self._column(Column.NOW)

    def _column(self, column: Column) -> Ints:
        found: Ints = self.ints[column]
        return found

    def take(self, chosen: Ints) -> "Records":
        return Records(self.ints[:, chosen], self.total[chosen])

    def where(self, first: Column, *values: Ints) -> "Records":
        """With the columns from `first` on set."""
        ints = self.ints.copy()
        ints[first : first + len(values)] = values
        return Records(ints, self.total)

    def __len__(self) -> int:
        return len(self.total)


def taught(row: MetricRow, records: Records, names: list[str], fit: NDArray[np.bool_]) -> Ints:
    """The positions to learn from among those that fit: not of versions found bad or rolled
    back.
    """
    out = [
        names.index(v.model_version) for v in row.versions if barred(v) and v.model_version in names
    ]
    return np.flatnonzero(fit & ~np.isin(records.version, out) if out else fit)


def added(carry: float, values: Floats) -> float:
    """One after the other, so that a cut changes nothing; a sum too large is infinite."""
    if len(values) <= _FEW:
        for value in values.tolist():
            carry += value
        return carry
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.add.accumulate(np.append(carry, values))[-1])
