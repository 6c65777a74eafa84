"""How many records a turn takes, so that ticks, commits and a stop need not wait for more of them
than are folded within half a second.

A record that makes a row costs a thousand times what one costs that adds to a row, and a stranger
may send as many of either as it likes.
"""

# Folding of one turn. It is what an output may have to wait for before its commit begins, and some
# ten times what a turn costs whatever it holds.
TURN_SECONDS = 0.5
# Fewer records than these would be taken up by what a turn costs whatever it holds.
RECORDS_MIN = 500


class BatchSize:
    """The most records of the next turn, by how long those of the turns before took.

    It begins small and doubles with each turn that was quick, to the most that there may be.
    """

    def __init__(self, most: int) -> None:
        """most: records of a turn, however quick they are."""
        self._most = most
        self.records = min(most, RECORDS_MIN)

    def folded(self, records: int, seconds: float) -> None:
        """Notes how many records a turn had, and how long it folded them.

        >>> size = BatchSize(20_000)
        >>> size.folded(500, 0.1), size.records
        (None, 1000)
        >>> size.folded(1_000, 0.8), size.records
        (None, 625)
        """
        if seconds > TURN_SECONDS:
            self.records = max(int(records * TURN_SECONDS / seconds), RECORDS_MIN)
        elif records >= self.records and seconds < TURN_SECONDS / 2:
            self.records *= 2
        self.records = min(self.records, self._most)
