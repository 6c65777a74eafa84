"""The table of series: what each point changes lies in one numpy array a series, the rest in rows.

A series is in hand once one of its points has come: then its numbers stand in the array, and the
rows are written back when somebody asks for them.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from schemas.catalog import TABLES_ANOMALIES
from schemas.records import AnomalyRow
from state import row_expiry
from state.metrics.series_layout import LEVEL, LEVEL_AT, POINTS, SEEN_AT, WIDTH
from state.storage.columnar_table import hash_of_names
from state.storage.table import row_key
from state.storage.written_back_table import Places, WrittenBackTable, doubled

_FIRST_CAPACITY = 1 << 6
_STORED = np.dtype("<f8")


class AnomaliesTable(WrittenBackTable[AnomalyRow]):
    """Rows by subject, metric and segment.

    numbers: of the series in hand, shape (capacity, WIDTH). slots: their places there by hash.
    is_touched: whether a series is to be written back; touched, touched_count, is_listed: those
    that were since all were. Fetch them anew after `open`.
    """

    def __init__(self) -> None:
        super().__init__(
            TABLES_ANOMALIES,
            "AnomalyRow",
            _key,
            lambda row: row.subject,
            row_expiry.anomaly,
        )
        self.numbers = np.zeros((_FIRST_CAPACITY, WIDTH))
        self.is_touched = np.zeros(_FIRST_CAPACITY, np.bool_)
        self.is_listed = np.zeros(_FIRST_CAPACITY, np.bool_)
        self.touched = np.zeros(_FIRST_CAPACITY, np.int64)
        self.touched_count = np.zeros(1, np.int64)
        self._places = Places()  # of series in hand

    @property
    def slots(self) -> NDArray[np.uint64]:
        """The places of series in hand by hash, as compiled code reads them."""
        return self._places.slots

    def open(self, subject: str, metric: str, segment: str | None) -> None:
        """Takes a series in hand, an empty one where there is none."""
        key = row_key(subject, metric, segment)
        row = self._rows.get(key)
        if row is None:
            row = AnomalyRow(subject=subject, metric=metric, segment=segment, points=0, numbers=b"")
            self._set(key, row)
        place = self._places.take(key, _hash_of(row))
        if place == len(self.numbers):
            self.numbers, self.touched = doubled(self.numbers), doubled(self.touched)
            self.is_touched, self.is_listed = doubled(self.is_touched), doubled(self.is_listed)
        stored = np.frombuffer(row.numbers, _STORED)
        # Of another length it is another release's, and what is usual is learned again.
        self.numbers[place] = stored if len(stored) == WIDTH else 0.0

    def take_all(self) -> None:
        """Takes in hand what was restored."""
        for key, row in list(self._rows.items()):
            if self._places.get(key) is None:
                self.open(row.subject, row.metric, row.segment)

    def used(self) -> NDArray[np.float64]:
        """The numbers of all series, by place; of a place that is free they are 0."""
        return self.numbers[: len(self._places)]

    def touch(self, place: int) -> None:
        """Has a series written back."""
        self.is_touched[place] = True
        if not self.is_listed[place]:
            self.is_listed[place] = True
            self.touched[int(self.touched_count[0])] = place
            self.touched_count[0] += 1

    def at(self, place: int) -> AnomalyRow:
        """The row of a series in hand, as it stands."""
        key = self._places.key_at(place)
        assert key is not None, f"no series stands at {place}"
        self._write_back(key)
        return self._rows[key]

    def note(self, row: AnomalyRow) -> None:
        """Puts what was said of a series; its numbers are those in hand."""
        key = _key(row)
        self._set(key, row)
        self._dirty[key] = None

    def _remove(self, key: str) -> bool:
        row = self._rows.get(key)
        place = self._places.give_up(key, _hash_of(row)) if row is not None else None
        if place is not None:
            self.is_touched[place] = False
            self.numbers[place] = 0.0
        return super()._remove(key)

    def _write_back_all(self) -> None:
        for place in self.touched[: int(self.touched_count[0])].tolist():
            key = self._places.key_at(place)
            self.is_listed[place] = False
            if key is not None:
                self._write_back(key)
        self.touched_count[0] = 0

    def _write_back(self, key: str) -> None:
        """Brings a row up to what its numbers say. It stays listed until all are written back."""
        place = self._places.get(key)
        if place is None or not self.is_touched[place]:
            return
        numbers = self.numbers[place]
        self.is_touched[place] = False
        self._set(
            key,
            replace(
                self._rows[key],
                points=int(numbers[POINTS]),
                level=float(numbers[LEVEL]),
                level_since=int(numbers[LEVEL_AT]),
                seen_at=int(numbers[SEEN_AT]),
                numbers=numbers.astype(_STORED).tobytes(),
            ),
        )
        self._dirty[key] = None


def _key(row: AnomalyRow) -> str:
    return row_key(row.subject, row.metric, row.segment)


def _hash_of(row: AnomalyRow) -> int:
    return hash_of_names((row.subject, row.metric, row.segment))
