"""Holds what the entrance of a partition knows: which partition it is, and which records came
before.
"""

from state.seen_ids import SeenIds


class IngressMemory:
    """Holds what lets records into one partition; none of it is stored.

    partition: its number. partitions: how many there are. dedupe_window: offsets among which an id
    is known again.
    """

    def __init__(self, partition: int, partitions: int, dedupe_window: int) -> None:
        self.partition = partition
        self.partitions = partitions
        self.dedupe_window = dedupe_window
        self._seen: dict[str, SeenIds] = {}

    def seen(self, topic: str) -> SeenIds:
        """The ids that the latest records of an input carried."""
        if topic not in self._seen:
            self._seen[topic] = SeenIds(self.dedupe_window)
        return self._seen[topic]
