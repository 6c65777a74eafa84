"""Which experiment of a subject began last; worked out of their rows, never stored."""

from heapq import heapify, heappop, heappush

from schemas.records import ExperimentRow, ExperimentStatus
from state.storage.keyed_table import KeyedTable
from state.storage.table import row_key


class BegunExperiments:
    """The experiments of each subject, by when they began.

    What runs no more never runs again, so it is forgotten when it is come across.
    """

    def __init__(self, experiments: KeyedTable[ExperimentRow]) -> None:
        self._experiments = experiments
        self._heaps: dict[str, list[tuple[int, str]]] = {}  # (-started_offset, experiment_id)

    def put(self, row: ExperimentRow) -> None:
        """Takes in an experiment that has begun."""
        heap = self._heaps.setdefault(row.subject, [])
        heappush(heap, (-row.started_offset, row.experiment_id))

    def last(self, subject: str) -> ExperimentRow | None:
        """The one that began last of those of a subject that run; None where none does."""
        heap = self._heaps.get(subject, [])
        while heap:
            before, experiment_id = heap[0]
            row = self._experiments.get(row_key(subject, experiment_id))
            is_it = row is not None and row.started_offset == -before
            if row is not None and is_it and row.status == ExperimentStatus.RUNNING:
                return row
            heappop(heap)
        self._heaps.pop(subject, None)
        return None

    def rebuild(self) -> None:
        """Works it out of the rows as they stand."""
        self._heaps = {}
        for row in self._experiments.rows():
            if row.started_offset >= 0 and row.status == ExperimentStatus.RUNNING:
                entry = -row.started_offset, row.experiment_id
                self._heaps.setdefault(row.subject, []).append(entry)
        for heap in self._heaps.values():
            heapify(heap)
