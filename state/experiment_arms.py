"""Where the arms of each experiment stand in the hot table; worked out, never stored.

A million rows in dicts by name would take more memory than what they hold, and most are never asked
for. So each row knows but the next of its experiment, and the dicts of those last asked for are
kept.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from state.arms_table import ArmsTable

NO_ROW = -1
NONE_YET, SEVERAL = -1, -2  # in column `treatment`, of a control row
# rows whose places are kept at hand, some 250 bytes each; one experiment that has more is kept
# whole
HELD = 20_000
# within a slice, 50 MB: records of several large experiments may alternate in it, and to gather ten
# thousand rows for each of them takes a hundred times what the record itself does
SLICE_HELD = 200_000


@dataclass(slots=True)
class ExperimentArms:
    """Where the arms of one experiment stand; valid until the next row is opened."""

    key: str
    arms: dict[str, dict[str, int]] = field(
        default_factory=dict
    )  # metric -> variant -> row of the whole
    parts: dict[tuple[str, str | None, str | None], dict[str, int]] = field(default_factory=dict)
    """Rows of parts of the whole: (metric, segment, step) -> variant -> row."""
    segments: int = 0  # of all metrics together
    rows: int = 0

    def of(self, metric: str, segment: str | None, step: str | None) -> dict[str, int]:
        """The rows of one metric in one part of the whole, or in the whole, by variant."""
        if segment is None and step is None:
            return self.arms.get(metric, {})
        return self.parts.get((metric, segment, step), {})

    def rows_of(self, metric: str) -> list[int]:
        """All rows of a metric, of the whole and of its parts."""
        parts = [group for (name, _, _), group in self.parts.items() if name == metric]
        return [row for group in (self.arms.get(metric, {}), *parts) for row in group.values()]

    def put(
        self, row: int, metric: str, variant: str, segment: str | None, step: str | None
    ) -> None:
        if segment is None and step is None:
            group = self.arms.setdefault(metric, {})
        else:
            group = self.parts.setdefault((metric, segment, step), {})
            self.segments += step is None and not group
        group[variant] = row
        self.rows += 1


class ExperimentIndex:
    """The experiments that have rows, by the number that column `trial` holds; `later` chains the
    rows of each.

    A chain follows the order in which the rows were opened: it is the order of several findings of
    one record.
    """

    def __init__(self, arms: ArmsTable) -> None:
        self._arms = arms
        self._number: dict[str, int] = {}
        self._keys: list[str] = []
        self._first: list[int] = []
        self._last: list[int] = []
        self._held: OrderedDict[int, ExperimentArms] = OrderedDict()
        self._rows_held = 0

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, number: int) -> ExperimentArms:
        number = int(number)
        trial = self._held.get(number)
        if trial is None:
            trial = self._gathered(number)
            self._held[number] = trial
            self._rows_held += trial.rows
            self._release(SLICE_HELD)
        self._held.move_to_end(number)
        return trial

    def number(self, key: str) -> int | None:
        """The number of an experiment; None where it has no rows."""
        return self._number.get(key)

    def key(self, number: int) -> str:
        return self._keys[number]

    def append(
        self, key: str, row: int, metric: str, variant: str, segment: str | None, step: str | None
    ) -> ExperimentArms:
        """Puts a row at the end of its experiment's."""
        arms, number = self._arms, self._number.get(key)
        if number is None:
            number = self._number[key] = len(self._keys)
            self._keys.append(key)
            self._first.append(row)
            self._last.append(row)
            self._held[number] = ExperimentArms(key)
        trial = self[number]
        if trial.rows:
            arms.next_in_experiment[self._last[number]] = row
            self._last[number] = row
        arms.experiment_no[row] = number
        arms.next_in_experiment[row] = NO_ROW
        trial.put(row, metric, variant, segment, step)
        self._rows_held += 1
        self._release(SLICE_HELD)
        return trial

    def let_go(self) -> None:
        """Has a slice be over: beyond HELD rows nothing of it is kept at hand."""
        self._release(HELD)

    def rebuild(self, keys: list[str], trials: NDArray[np.int64], order: NDArray[np.int64]) -> None:
        """Chains all rows anew: `keys` by number, `trials` (n,) the number of each row, `order`
        (n,) that of opening.
        """
        arms, n = self._arms, len(trials)
        arms.experiment_no[:n] = trials
        chain = order[np.argsort(trials[order], kind="stable")]
        starts = np.append(np.diff(trials[chain], prepend=-1) != 0, True)
        arms.next_in_experiment[chain] = np.where(starts[1:], NO_ROW, np.append(chain[1:], NO_ROW))
        self._keys = keys
        self._number = {key: number for number, key in enumerate(keys)}
        self._first, self._last = chain[starts[:-1]].tolist(), chain[starts[1:]].tolist()
        self._held.clear()
        self._rows_held = 0

    def _gathered(self, number: int) -> ExperimentArms:
        trial, row, later = (
            ExperimentArms(self._keys[number]),
            self._first[number],
            self._arms.next_in_experiment,
        )
        while row != NO_ROW:
            trial.put(row, *self._place(row))
            row = int(later[row])
        return trial

    def _place(self, row: int) -> tuple[str, str, str | None, str | None]:
        _, _, metric, variant, segment, step = self._arms.keys[row]
        assert metric is not None
        assert variant is not None
        return metric, variant, segment, step

    def _release(self, most: int) -> None:
        """Lets go of the experiments that were asked for longest ago, down to so many rows."""
        while self._rows_held > most and len(self._held) > 1:
            _, trial = self._held.popitem(last=False)
            self._rows_held -= trial.rows
