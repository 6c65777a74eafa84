"""Stops a partition whose records are mostly invalid: that is a broken producer or schema, not bad luck."""

import logging
from collections import deque

from streams.telemetry import BREAKER_OPEN

log = logging.getLogger("mendstream.breaker")

LOOKED_AT = 1_000  # records; half of them invalid opens it


class Breaker:
    """Counts valid and invalid records by topic partition over the last LOOKED_AT and a slice more."""

    def __init__(self) -> None:
        self._recent: dict[tuple[str, int], deque[tuple[int, int]]] = {}
        self._open: set[tuple[str, int]] = set()

    def reset(self) -> None:
        """Forgets all: partitions that are assigned anew are read again, and may trip again."""
        for topic, partition in self._open:
            BREAKER_OPEN.labels(topic, str(partition)).set(0)
        self._recent, self._open = {}, set()

    def opened(self, topic: str, partition: int) -> bool:
        return (topic, partition) in self._open

    def trips(self, topic: str, partition: int, records: int, refused: int) -> bool:
        """Notes a slice; True if the partition is to be paused from here on."""
        key = topic, partition
        recent = self._recent.setdefault(key, deque())
        recent.append((records, refused))
        total = sum(count for count, _ in recent)
        while total - recent[0][0] >= LOOKED_AT:
            total -= recent.popleft()[0]
        bad = sum(count for _, count in recent)
        if total < LOOKED_AT or 2 * bad < total or key in self._open:
            return False
        self._open.add(key)
        BREAKER_OPEN.labels(topic, str(partition)).set(1)
        log.error(
            "%s/%d: %d of the last %d records were invalid: paused. Mend the producer, then restart this worker; "
            "the dead letters hold what was refused.",
            topic,
            partition,
            bad,
            total,
        )
        return True
