"""Who has stopped sending: arms of experiments whose other arms go on, and subjects. Worked out,
never stored.

Nothing is decided by it: it is shown to people. After a restart the rows say when each arm and
subject was heard last.
"""

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from state.arms_table import ArmsTable
from state.deadline_queue import DeadlineQueue
from state.experiment_arms import ExperimentIndex

Ints = NDArray[np.int64]
FORGOTTEN_MS = 86_400_000  # who has been silent for a day is gone for good, and is counted no more
# kept at once, some 200 bytes each; those past it are not watched, and `unwatched` says so
SUBJECTS_MAX = 100_000
# arms that fell silent last, looked at one by one; of more than these no exact count is needed
LOOKED_AT_MAX = 200


class SilentSenders:
    """All moments are of the partition's clock, ms."""

    def __init__(self, arms: ArmsTable, trials: ExperimentIndex) -> None:
        self._arms, self._trials = arms, trials
        self._known = 0  # rows of arms that are watched or were looked at
        self._heap: list[tuple[int, int]] = []  # when an arm is to be looked at, and its row
        self._silent: dict[
            int, None
        ] = {}  # rows of arms that are silent, in the order in which they fell silent
        self._heard: dict[str, int] = {}  # subjects
        self._due = DeadlineQueue()  # subjects, by when they are to be looked at
        self._quiet: dict[
            str, None
        ] = {}  # subjects that are silent, in the order in which they fell silent
        self.unwatched = 0  # times that a subject was passed over, because so many are watched

    def hear(self, row: int, now: int) -> None:
        """An arm was heard: its row as a whole."""
        self._arms.heard[row] = now
        if self._arms.silent[row]:
            self._arms.silent[row] = False
            self.back([row])

    def back(self, rows: Iterable[int]) -> None:
        """Arms that were silent were heard again, each once."""
        for row in rows:
            self._silent.pop(row, None)
            heappush(self._heap, (int(self._arms.heard[row]), row))

    def subjects(self, names: Iterable[str], now: int) -> None:
        for name in names:
            if name not in self._heard:
                if len(self._heard) >= SUBJECTS_MAX:
                    self.unwatched += 1
                    continue
                self._due.put(name, now)
            self._heard[name] = now
            if name in self._quiet:
                del self._quiet[name]
                self._due.put(name, now)

    def restored(self, heard: Mapping[str, int], now: int) -> None:
        """Subjects with the moments at which they were heard last before a restart, the latest of
        most worth.
        """
        lately = ((-at, name) for name, at in heard.items() if at > 0 and at + FORGOTTEN_MS > now)
        for negative, name in sorted(lately):
            self.subjects([name], -negative)

    def ended(self, subject: str) -> None:
        """A person stopped an experiment of it: that it falls silent is no news."""
        self._heard.pop(subject, None)
        self._quiet.pop(subject, None)
        self._due.drop(subject)

    def stopped_subjects(self, now: int, silent_ms: int) -> list[str]:
        """Subjects that were heard within a day, and not for so long; the work grows with those
        that are due.
        """
        for name in self._due.due(now):
            if self._heard[name] + silent_ms > now:
                self._due.put(name, self._heard[name] + silent_ms)
            else:
                self._quiet[name] = None
        while self._quiet and self._heard[first := next(iter(self._quiet))] + FORGOTTEN_MS <= now:
            self.ended(first)
        return list(self._quiet)

    def stopped_arms(self, now: int, silent_ms: int) -> list[tuple[str, str]]:
        """Experiments and variants of arms that were heard within a day and not for so long, while
        another arm was.

        The experiment by its key in the tables. The work grows with the arms that are due, but for
        the LOOKED_AT_MAX that fell silent last.
        """
        self._watch(now)
        heard = self._arms.heard
        while self._heap and self._heap[0][0] <= now:
            _, row = heappop(self._heap)
            if heard[row] + silent_ms > now:
                heappush(self._heap, (int(heard[row]) + silent_ms, row))
            else:
                self._arms.silent[row] = True
                self._silent[row] = None
        while self._silent and heard[first := next(iter(self._silent))] + FORGOTTEN_MS <= now:
            del self._silent[first]
        found: dict[tuple[str, str], None] = {}
        for row in islice(reversed(self._silent), LOOKED_AT_MAX):
            if self._goes_on(row, now, silent_ms):
                number = int(self._arms.experiment_no[row])
                found[self._trials.key(number), self._arms.keys[row][3] or ""] = None
        return list(found)

    def moved(self, places: Ints) -> None:
        """Rows of arms were deleted: where each stands since, -1 where it is gone, shape (n,)."""
        self._known = int((places[: self._known] >= 0).sum())
        self._heap = [(at, int(places[row])) for at, row in self._heap if places[row] >= 0]
        heapify(self._heap)
        self._silent = {int(places[row]): None for row in self._silent if places[row] >= 0}

    def _watch(self, now: int) -> None:
        """Takes in the rows that were opened since; of each arm only the row of the whole is
        heard.
        """
        opened = np.arange(self._known, len(self._arms))
        self._known = len(self._arms)
        for row in opened[self._arms.aggregate_row[opened] == opened].tolist():
            if not self._arms.heard[
                row
            ]:  # it was restored; an older Mendstream may not have kept when it sent last
                self._arms.heard[row] = max(0, int(self._arms.last_at[row])) or now
            heappush(self._heap, (int(self._arms.heard[row]), row))

    def _goes_on(self, row: int, now: int, silent_ms: int) -> bool:
        """Returns whether another arm of the same metric was heard lately."""
        metric = self._arms.keys[row][2] or ""
        beside = self._trials[int(self._arms.experiment_no[row])].of(metric, None, None).values()
        return any(int(self._arms.heard[other]) + silent_ms > now for other in beside)
