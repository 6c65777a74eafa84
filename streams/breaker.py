"""Stops a partition whose records are mostly invalid: that is a broken producer or schema, not bad luck."""

import logging
from collections import deque

from streams.telemetry import BREAKER_OPEN

log = logging.getLogger("mendstream.breaker")

LOOKED_AT = 1_000  # records; half of them invalid opens it
_PAUSED = (
    "paused. Mend the producer, then restart this worker. If so much garbage waits that it pauses again, restart it with "
    "MENDSTREAM_BREAKER=false until it has caught up."
)
_GOES_ON = "it goes on, for MENDSTREAM_BREAKER is false."


class Breaker:
    """Counts valid and invalid records by topic partition over the last LOOKED_AT and a slice more."""

    def __init__(self, pauses: bool = True) -> None:
        """pauses: False tells of it and goes on, so that what waits behind the garbage is reached."""
        self._pauses = pauses
        self._recent: dict[tuple[str, int], deque[tuple[int, int]]] = {}
        self._open: set[tuple[str, int]] = set()

    def reset(self) -> None:
        """Forgets all: partitions that are assigned anew are read again, and may trip again."""
        for topic, partition in self._open:
            BREAKER_OPEN.labels(topic, str(partition)).set(0)
        self._recent, self._open = {}, set()

    def opened(self, topic: str, partition: int) -> bool:
        """Whether the partition is to stay paused."""
        return self._pauses and (topic, partition) in self._open

    def trips(self, topic: str, partition: int, records: int, refused: int) -> bool:
        """Notes a slice; True if the partition is to be paused from here on."""
        key = topic, partition
        recent = self._recent.setdefault(key, deque())
        recent.append((records, refused))
        total = sum(count for count, _ in recent)
        while total - recent[0][0] >= LOOKED_AT:
            total -= recent.popleft()[0]
        bad = sum(count for _, count in recent)
        if total < LOOKED_AT or 2 * bad < total:
            if key in self._open and not self._pauses:
                self._open.remove(key)
                BREAKER_OPEN.labels(topic, str(partition)).set(0)
            return False
        if key in self._open:
            return False
        self._open.add(key)
        BREAKER_OPEN.labels(topic, str(partition)).set(1)
        log.error(
            "%s/%d: %d of the last %d records were invalid: %s The dead letters hold what was refused.",
            topic,
            partition,
            bad,
            total,
            _PAUSED if self._pauses else _GOES_ON,
        )
        return self._pauses
