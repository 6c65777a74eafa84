"""What every case does: writes input with planted harm, lets a processor take it in, and times a recovery."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from confluent_kafka import Consumer, TopicPartition

from schemas.catalog import JOURNAL
from streams.clock import monotonic, wait_until
from streams.config import Settings
from streams.kafka import admin, end_offsets
from tests.faults.judge import group_offsets
from tests.kafka.logs import Place
from tests.kafka.running import Child

SECONDS = 90.0  # the deadline of everything that is waited for


def taken_in(settings: Settings, ends: Mapping[Place, int]) -> bool:
    """Whether the group has committed everything before these offsets."""
    offsets = group_offsets(settings)
    return all(offsets.get(place, 0) >= end for place, end in ends.items())


def take_in(settings: Settings, ends: Mapping[Place, int], log: Path, seconds: float = SECONDS) -> None:
    """Runs a processor until everything before these offsets is committed; it must not end before."""
    with Child(settings, log) as child:
        assert wait_until(lambda: child.ended or taken_in(settings, ends), seconds), log.read_text()
        assert not child.ended, log.read_text()


class Recovery:
    """Times from the end of a fault to the next commit. Make it while the fault lasts, after the last commit before."""

    def __init__(self, settings: Settings) -> None:
        parts = [TopicPartition(JOURNAL, p) for p in range(settings.partitions)]
        ends = end_offsets(admin(settings), parts)
        self._journal = Consumer(
            settings.client(
                **{"group.id": "recovery", "enable.auto.commit": False, "isolation.level": "read_committed"}
                | {"auto.offset.reset": "earliest", "fetch.wait.max.ms": 20, "reconnect.backoff.max.ms": 100}
            )
        )
        # A transaction that was open lies before these ends, so that its end alone is no recovery.
        self._journal.assign([TopicPartition(part.topic, part.partition, ends[part]) for part in parts])
        self._ended: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    def ended(self) -> None:
        """The fault is over from here on."""
        self._ended = monotonic()

    def seconds(self, meanwhile: Callable[[], bool] = lambda: True, deadline: float = SECONDS) -> float:
        """Waits for the next commit; meanwhile: called at each look, to keep the load up or workers running."""
        assert self._ended is not None, "say when the fault ended"
        assert wait_until(lambda: meanwhile() and self._committed(), deadline), "no commit followed the fault"
        return monotonic() - self._ended

    def _committed(self) -> bool:
        message = self._journal.poll(0.0)
        return message is not None and message.error() is None
