"""Which ids were among the previous records of an input partition."""

import numpy as np
from numpy.typing import NDArray

from state.storage.hash_map import HashMap64

# offsets; 67 MB for a busy input partition, and a re-read of a second or two on restore
WINDOW = 1_000_000
_HELD = (
    1.9  # windows of ids before a sweep; what a table of 4 194 304 slots holds with room to probe
)


class SeenIds:
    """A duplicate is an id that a valid record in the previous `window` offsets of the same
    partition carried.

    An id is hashed together with the subject that it is of, so that nobody can use up another's.
    Ids are compared by that 64-bit hash: among a million ids a new one is taken for a duplicate
    with probability 5e-14. Measuring the window in offsets lets a restart rebuild the set exactly,
    by reading that stretch of the input again.
    """

    def __init__(self, window: int = WINDOW, slack: int = 0) -> None:
        """slack: offsets by which a call may go back behind the one before it."""
        assert window > 0, f"window {window} must be positive"
        self._slack = slack
        self._window = window
        self._last = HashMap64(most=int(_HELD * window))

    def duplicates(self, ids: NDArray[np.uint64], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these records are duplicates, shape (n,); remembers them all. Offsets ascend
        within a call.
        """
        return self.carriers(ids, offsets) >= 0

    def carriers(self, ids: NDArray[np.uint64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """The offset of the last record before each that carried its id, -1 where none in the
        window did; as above.
        """
        if not len(ids):
            return np.zeros(0, np.int64)
        in_order = np.sort(ids)
        if not (in_order[1:] == in_order[:-1]).any():
            previous = self._last.exchange(ids, offsets)
            self._sweep(int(offsets[-1]))
            return np.where(previous >= offsets - self._window, previous, -1)
        return self._with_repeats(ids, offsets)

    def _with_repeats(
        self, ids: NDArray[np.uint64], offsets: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The same where an id comes more than once in the slice."""
        order = np.argsort(ids, kind="stable")
        sorted_ids, sorted_offsets = ids[order], offsets[order]
        first = np.ones(len(ids), np.bool_)
        first[1:] = sorted_ids[1:] != sorted_ids[:-1]
        previous = np.empty(len(ids), np.int64)
        previous[1:] = sorted_offsets[:-1]
        previous[first] = self._last.get(sorted_ids[first])
        last = np.ones(len(ids), np.bool_)
        last[:-1] = first[1:]
        self._last.put(sorted_ids[last], sorted_offsets[last])
        self._sweep(int(offsets[-1]))
        found = np.empty(len(ids), np.int64)
        found[order] = np.where(previous >= sorted_offsets - self._window, previous, -1)
        return found

    def _sweep(self, offset: int) -> None:
        # Sweeping copies what stays, so it waits until half is stale.
        if len(self._last) > _HELD * self._window:
            self._last.keep(offset - self._window - self._slack)
