"""The table of live metrics: what each record changes lies in numpy records, the rest in the rows.

A metric is in hand while the loop over its records goes on: then the numbers of its rows and of
their versions stand in the arrays, and the rows are written back when somebody asks for them.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.catalog import TABLES_METRICS
from schemas.records import EvidenceKind, MetricRow, State, VersionWatch
from schemas.text_hash import hash_text
from state import row_expiry
from state.metrics.cells import ALTERNATIVES, COUNTED, NONE, ROW, WATCH, Terms, link_behind
from state.metrics.open_point import OPEN_POINT_WIDTH
from state.metrics.usual import USUAL_WIDTH
from state.storage.columnar_table import hash_of_names
from state.storage.keyed_table import KeyedTable
from state.storage.table import row_key
from state.storage.written_back_table import Places, WrittenBackTable, doubled

_FIRST_CAPACITY = 1 << 8
_METRIC = "metric"
_STATES = tuple(State)
OK, HARM = _STATES.index(State.OK), _STATES.index(State.HARM)  # of `state`


class MetricsTable(WrittenBackTable[MetricRow]):
    """Rows by subject, metric and segment.

    records, watches: what compiled code reads and writes of the rows that are in hand. touched,
    touched_count: the rows to be written back. Fetch them anew after a row was taken in hand.
    """

    def __init__(self) -> None:
        super().__init__(
            TABLES_METRICS,
            "MetricRow",
            _key,
            lambda row: row.subject,
            row_expiry.metric,
            {_METRIC: lambda row: (_metric_of(row),)},
        )
        self.records = np.zeros(_FIRST_CAPACITY, ROW)
        self.watches = np.zeros(_FIRST_CAPACITY, WATCH)
        self.touched = np.zeros(_FIRST_CAPACITY, np.int64)
        self.touched_count = np.zeros(1, np.int64)
        self._numbers = Places()  # the place of a row is its number
        # By metric: the keys of its rows whose numbers do not stand in the arrays, and the numbers
        # of all of its rows in the order of their keys, worked out anew where one came or left.
        self._not_held: dict[str, set[str]] = {}
        self._numbers_of: dict[str, NDArray[np.int64]] = {}
        self._watches_of: dict[int, list[int]] = {}  # in the order of the row's versions
        self._watches_used = 0
        self._free_watches: list[int] = []
        self._values: dict[int, list[float]] = {}  # that limits are learned from, by row

    @property
    def slots(self) -> NDArray[np.uint64]:
        """The numbers of rows by hash, as compiled code reads them."""
        return self._numbers.slots

    def of_metric(self, subject: str, metric: str) -> list[MetricRow]:
        """The rows of one metric, the whole first and then the segments by name."""
        rows = self.marked(_METRIC, row_key(subject, metric))
        return sorted(rows, key=lambda row: (row.segment is not None, row.segment or ""))

    def subject_of(self, number: int) -> str:
        """The subject of a row in the arrays."""
        key = self._numbers.key_at(number)
        assert key is not None, f"no row has number {number}"
        return self._rows[key].subject

    def names_of(self, number: int) -> tuple[str, str, str | None]:
        """(subject, metric, segment) of a row in the arrays."""
        key = self._numbers.key_at(number)
        assert key is not None, f"no row has number {number}"
        row = self._rows[key]
        return row.subject, row.metric, row.segment

    def learn(self, numbers: Iterable[int], values: Iterable[float]) -> None:
        """Keeps values of rows that learn their limits from them; `values_count` counts them."""
        for number, value in zip(numbers, values, strict=True):
            self._values[number].append(value)

    def rows_of_metric(self, subject: str, metric: str) -> int:
        """How many rows a metric has, its whole among them."""
        return len(self._marked[_METRIC].get(row_key(subject, metric), ()))

    def hold(
        self, subject: str, metric: str, terms: Callable[[MetricRow], Terms], epoch: int
    ) -> None:
        """Takes a metric in hand: all its rows, by these terms, as of an epoch of the policies.

        What it costs beside the rows that are taken in anew is a look at each version of each row,
        in compiled code.
        """
        name = row_key(subject, metric)
        for key in sorted(self._not_held.pop(name, ())):
            self._take(key, self._rows[key], terms(self._rows[key]))
        numbers = self._numbers_of.get(name)
        if numbers is None:
            keys = sorted(self._marked[_METRIC][name])
            numbers = np.array([self._number_of(key) for key in keys], np.int64)
            self._numbers_of[name] = numbers
        whole = self._number_of(row_key(subject, metric, None))
        link_behind(self.records, self.watches, whole, numbers)
        self.records["epoch"][whole] = epoch

    def let_go(self, row: MetricRow) -> None:
        """Has a row taken in anew when its metric is taken in hand next."""
        key = _key(row)
        self._write_back(key)
        self._not_held.setdefault(_metric_of(row), set()).add(key)

    def stands_by(self, row: MetricRow, terms: Terms) -> bool:
        """Whether a row stands in the arrays, and its records are judged by these terms."""
        key = _key(row)
        number = self._numbers.get(key)
        if number is None or key in self._not_held.get(_metric_of(row), ()):
            return False
        cells = self.records[number]
        return all(cells[name] == value for name, value in zip(Terms._fields, terms, strict=True))

    def amend(self, row: MetricRow) -> None:
        """Puts a row of which only that changed which does not stand in the arrays; what these say
        of it was just read.
        """
        key = _key(row)
        KeyedTable._set(self, key, row)
        self._dirty[key] = None

    def _set(self, key: str, row: MetricRow) -> None:
        super()._set(key, row)
        self._not_held.setdefault(_metric_of(row), set()).add(key)
        number = self._numbers.get(key)
        if number is not None:
            self.records["stale"][number] = False
        self.out_of_hand(row.subject, row.metric)

    def _remove(self, key: str) -> bool:
        gone = self._rows.get(key)
        if gone is not None:
            self.out_of_hand(gone.subject, gone.metric)
            self._release(key, _metric_of(gone))
        return super()._remove(key)

    def out_of_hand(self, subject: str, metric: str) -> None:
        """Has a metric taken in hand anew with the next of its records."""
        whole = self._numbers.get(row_key(subject, metric, None))
        if whole is not None:
            self.records["epoch"][whole] = NONE

    def _take(self, key: str, row: MetricRow, terms: Terms) -> None:
        """Writes the numbers of a row into the arrays."""
        number = self._number(key, row)
        watches = self._watch_numbers(number, len(row.versions))
        for at, version in zip(watches, row.versions, strict=True):
            self.watches[at] = _watch_of(version, number)
        for at, after in zip(watches, [*watches[1:], NONE], strict=False):
            self.watches["next"][at] = after
        self._values.pop(number, None)
        if terms.values_needed:
            self._values[number] = list(row.values)
        cells = self.records[number]
        for name, value in _stored(row):
            cells[name] = value
        for name, value in zip(Terms._fields, terms, strict=True):
            cells[name] = value
        cells["alternatives"] = 0.0
        cells["first"] = cells["recent"] = watches[0] if watches else NONE
        cells["epoch"] = NONE
        cells["stale"] = False

    def _number(self, key: str, row: MetricRow) -> int:
        known = self._numbers.get(key)
        if known is not None:
            return known
        hashed = hash_of_names((row.subject, row.metric, row.segment))
        number = self._numbers.take(key, hashed)
        if number == len(self.records):
            self.records, self.touched = doubled(self.records), doubled(self.touched)
        self._numbers_of.pop(_metric_of(row), None)
        self.records["hash"][number], self.records["heard"][number] = hashed, NONE
        return number

    def _number_of(self, key: str) -> int:
        number = self._numbers.get(key)
        assert number is not None, f"{key} is not in hand"
        return number

    def _watch_numbers(self, row: int, count: int) -> list[int]:
        """The watches of a row with so many versions."""
        watches = self._watches_of.setdefault(row, [])
        while len(watches) > count:
            self._free_watches.append(watches.pop())
        while len(watches) < count:
            if self._free_watches:
                watches.append(self._free_watches.pop())
                continue
            if self._watches_used == len(self.watches):
                self.watches = doubled(self.watches)
            watches.append(self._watches_used)
            self._watches_used += 1
        return watches

    def _release(self, key: str, metric: str) -> None:
        """Frees the place of a row of a metric that leaves."""
        self._numbers_of.pop(metric, None)
        waiting = self._not_held.get(metric, set())
        waiting.discard(key)
        if not waiting:
            self._not_held.pop(metric, None)
        number = self._numbers.get(key)
        if number is None:
            return
        self._numbers.give_up(key, int(self.records["hash"][number]))
        self._watch_numbers(number, 0)
        self._values.pop(number, None)
        self.records["stale"][number] = False

    def _write_back_all(self) -> None:
        touched = self.touched[: int(self.touched_count[0])].tolist()
        self.touched_count[0] = 0
        for number in touched:
            self.records["listed"][number] = False
            key = self._numbers.key_at(number)
            if key is not None:
                self._write_back(key)

    def _write_back(self, key: str) -> None:
        """Brings a row up to what the arrays say of it."""
        number = self._numbers.get(key)
        if number is None or not self.records["stale"][number]:
            return
        cells, row = self.records[number], self._rows[key]
        cells["stale"] = False
        watches = zip(self._watches_of[number], row.versions, strict=True)
        super()._set(
            key,
            replace(
                row,
                reference_count=int(cells["reference_count"]),
                reference_bad=int(cells["reference_bad"]),
                reference_sum=float(cells["reference_sum"]),
                share_count=int(cells["share_count"]),
                share_bad=int(cells["share_bad"]),
                frozen=bool(cells["frozen"]),
                left_out=int(cells["left_out"]),
                expected=float(cells["expected"]),
                bound=float(cells["bound"]),
                usual=_numbers_kept(cells["usual"]),
                open_point=_numbers_kept(cells["open_point"]),
                values=tuple(self._values[number]) if number in self._values else row.values,
                versions=tuple(self._version_of(at, version) for at, version in watches),
            ),
        )
        self._dirty[key] = None

    def _version_of(self, at: int, version: VersionWatch) -> VersionWatch:
        cells = self.watches[at]
        if not cells["touched"]:
            return version
        cells["touched"] = False
        counted: dict[str, Any] = dict(zip(COUNTED, cells.item(), strict=False))
        return replace(
            version,
            **counted,
            carry=tuple(cells["carry"].tolist()) if cells["begun"] else (),
            ratios=tuple(cells["ratios"].tolist()) if cells["begun"] else (),
            state=_STATES[cells["state"]],
            evidence_kind=(EvidenceKind.E_DETECTOR if cells["detected"] else version.evidence_kind),
        )


def is_barred(version: VersionWatch) -> bool:
    """Found bad and not answered yet, or rolled back: its records are neither judged nor learned
    from.
    """
    return version.rolled_back or version.state == State.HARM


def _key(row: MetricRow) -> str:
    return row_key(row.subject, row.metric, row.segment)


def _metric_of(row: MetricRow) -> str:
    return row_key(row.subject, row.metric)


def _numbers_kept(numbers: NDArray[np.float64]) -> tuple[float, ...]:
    """The same as a tuple whose zeros are one object: most rows hold little else."""
    return tuple(number or 0.0 for number in numbers.tolist())


def _stored(row: MetricRow) -> Iterable[tuple[str, Any]]:
    for name in ("reference_count", "reference_bad", "reference_sum", "share_count", "share_bad"):
        yield name, getattr(row, name)
    for name in ("frozen", "left_out", "expected", "bound"):
        yield name, getattr(row, name)
    # Of another length it is another release's, and what is usual is learned again.
    yield "usual", row.usual if len(row.usual) == USUAL_WIDTH else 0.0
    yield "open_point", row.open_point if len(row.open_point) == OPEN_POINT_WIDTH else 0.0
    yield "limit", np.nan if row.limit is None else row.limit
    yield "thin", row.thin
    yield "alone", sum(version.count - version.coarse for version in row.versions)
    yield "coarse", sum(version.coarse for version in row.versions)
    yield "values_count", len(row.values)
    yield "awaited", hash_of_name(row.awaits_version) if row.awaits_version else 0


def _watch_of(version: VersionWatch, row: int) -> tuple[Any, ...]:
    """A WATCH, field by field."""
    return (
        *(getattr(version, name) for name in COUNTED),
        version.carry or (0.0,) * ALTERNATIVES,
        version.ratios or (0.0,) * ALTERNATIVES,
        _STATES.index(version.state),
        version.evidence_kind == EvidenceKind.E_DETECTOR,
        bool(version.ratios),  # one that an older release watched is watched anew
        hash_of_name(version.model_version),
        is_barred(version),
        False,
        False,
        row,
        NONE,
        NONE,
        NONE,
    )


def hash_of_name(name: str) -> int:
    """The hash of one name, as compiled code computes it."""
    data = np.frombuffer(name.encode() + bytes(8), np.uint8)
    return int(hash_text(data, 0, len(data) - 8))
