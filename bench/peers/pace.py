"""How fast processes work, seen from outside: what their group has committed, and what they have
cost.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.runtime.clock import monotonic, wait_until
from streams.runtime.settings import Settings

# of the records, where the clock stops: the last commit may wait for more that never comes
REACHED = 0.95
_TICKS = os.sysconf("SC_CLK_TCK")
Offsets = Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Pace:
    """records: between two commits; seconds: between them; cpu_seconds: of the processes alone,
    without the broker.
    """

    records: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of a processor's time a record."""
        return self.cpu_seconds / self.records * 1e6


class TooSlow(Exception):
    """It did not come to the end, or ended on the way."""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Of all threads of processes so far."""
    return sum(map(_cpu_seconds, pids))


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Committed:
    """What a group has committed, asked by a consumer that is no member of it.

    Not by an admin client: that of librdkafka crashes where the group's coordinator is not known
    yet.
    """

    def __init__(self, settings: Settings, group: str, starts: Offsets) -> None:
        self._starts = starts
        self._asking = Consumer(
            settings.client(
                **{
                    "group.id": group,
                    "enable.auto.commit": False,
                    "isolation.level": "read_uncommitted",
                }
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._asking.close()

    def records(self) -> int:
        """Offsets after `starts`."""
        try:
            found = self._asking.committed(
                [TopicPartition(p.topic, p.partition) for p in self._starts], timeout=1.0
            )
        except KafkaException:
            return 0  # a group that is not there yet
        offsets = {(part.topic, part.partition): part.offset for part in found}
        return sum(
            max(0, offsets[p.topic, p.partition] - start) for p, start in self._starts.items()
        )


def pace(
    committed: Committed, pids: Sequence[int], warm: int, records: int, seconds: float
) -> Pace:
    """Watches a group's commits; times what comes after the first `warm` of so many records.

    Whole commits are counted, so that the time between two of them is no error. Raises TooSlow.
    """
    first: tuple[int, float, float] | None = None
    last: tuple[int, float, float] | None = None
    upto = warm + int((records - warm) * REACHED)

    def done() -> bool:
        nonlocal first, last
        try:
            came, now, cpu = committed.records(), monotonic(), cpu_seconds(pids)
        except (OSError, ValueError, IndexError) as error:
            raise TooSlow("one of them ended") from error
        if first is None and came >= warm:
            first = came, now, cpu
        elif first is not None and came >= upto:
            last = came, now, cpu
        return last is not None

    if not wait_until(done, seconds) or first is None or last is None:
        raise TooSlow(
            f"it committed {committed.records():,} of {records:,} records in {seconds:g} s"
        )
    if last[0] == first[0]:
        raise TooSlow(f"it committed {last[0]:,} records at once: give it more of them")
    return Pace(last[0] - first[0], last[1] - first[1], last[2] - first[2])
