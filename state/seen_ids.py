"""Which ids were among the previous records of an input partition."""

import numpy as np
from numpy.typing import NDArray

from schemas.compiled import compiled, in_one_piece
from state.storage.hash_map import HashMap64, Keys, Slots, Values, exchange

# offsets; 67 MB for a busy input partition, and a re-read of a second or two on restore
WINDOW = 1_000_000
_HELD = (
    1.9  # windows of ids before a sweep; what a table of 4 194 304 slots holds with room to probe
)


@compiled
def carrier(slots: Slots, used: Values, window: int, hashed: np.uint64, offset: int) -> int:
    """The offset of the last record that carried an id, -1 where none in the window before `offset`
    did; remembers that this one carries it.

    slots, used, window: of a SeenIds that has room for it.
    """
    before = exchange(slots, used, hashed, offset)
    return before if before >= offset - window else -1


class SeenIds:
    """A duplicate is an id that a valid record in the previous `window` offsets of the same
    partition carried.

    An id is hashed together with the subject that it is of, so that nobody can use up another's.
    Ids are compared by that 64-bit hash: among a million ids a new one is taken for a duplicate
    with probability 5e-14. Measuring the window in offsets lets a restart rebuild the set exactly,
    by reading that stretch of the input again.

    A compiled loop calls `make_room` before, `carrier` for each record, and `sweep` after.
    """

    def __init__(self, window: int = WINDOW, slack: int = 0) -> None:
        """slack: offsets by which a call may go back behind the one before it."""
        assert window > 0, f"window {window} must be positive"
        self._slack = slack
        self.window = window
        self._last = HashMap64(most=int(_HELD * window))

    @property
    def slots(self) -> Slots:
        """What `carrier` looks in; `make_room` and `sweep` make another array."""
        return self._last.slots

    @property
    def used(self) -> Values:
        return self._last.used

    def duplicates(self, ids: NDArray[np.uint64], offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these records are duplicates, shape (n,); remembers them all. Offsets ascend
        within a call.
        """
        return self.carriers(ids, offsets) >= 0

    def carriers(self, ids: NDArray[np.uint64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """The offset of the last record before each that carried its id, -1 where none in the
        window did; as above.
        """
        found = np.empty(len(ids), np.int64)
        if len(ids):
            self.make_room(len(ids))
            _each_carrier(
                self.slots, self.used, self.window, in_one_piece(ids), in_one_piece(offsets), found
            )
            self.sweep(int(offsets[-1]))
        return found

    def make_room(self, more: int) -> None:
        """Makes sure that as many ids can be remembered."""
        self._last.make_room(more)

    def sweep(self, offset: int) -> None:
        """Forgets what is out of the window at `offset`, once it is about half of everything."""
        if len(self._last) > _HELD * self.window:  # it copies what stays
            self._last.keep(offset - self.window - self._slack)


@compiled
def _each_carrier(
    slots: Slots, used: Values, window: int, ids: Keys, offsets: Values, found: Values
) -> None:
    for index in range(len(ids)):
        found[index] = carrier(slots, used, window, ids[index], offsets[index])
