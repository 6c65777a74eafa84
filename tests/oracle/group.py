"""How far the group is, seen from outside."""

from collections.abc import Mapping

from confluent_kafka import TopicPartition

from streams.kafka.backend import backend_of
from streams.kafka.reading import admin, end_offsets
from streams.runtime.clock import monotonic
from streams.runtime.settings import Settings
from tests.oracle.topology import DATA

LOOK_SECONDS = 0.1  # between two looks at the group's offsets: a wait asks much more often


class Group:
    """The ends of the input, and the group's committed offsets of it, by partition."""

    def __init__(self, settings: Settings) -> None:
        self._admin = admin(settings)
        reader = {
            "group.id": settings.group,
            "isolation.level": "read_uncommitted",
            "enable.auto.commit": False,
        }
        self._asking = backend_of(settings).consumer(settings.client(**reader))
        self._parts = [TopicPartition(DATA, p) for p in range(settings.partitions)]
        self._committed: dict[int, int] = {}
        self._looked = 0.0

    def ends(self) -> dict[int, int]:
        return {part.partition: end for part, end in end_offsets(self._admin, self._parts).items()}

    def past(self, ends: Mapping[int, int]) -> bool:
        """Whether all before these ends is committed."""
        if monotonic() - self._looked > LOOK_SECONDS:
            # Not by the admin client: that of librdkafka crashes where the group's coordinator is
            # not known yet.
            found = self._asking.committed(self._parts, timeout=5.0)
            self._committed = {part.partition: part.offset for part in found}
            self._looked = monotonic()
        return all(self._committed.get(p, 0) >= end for p, end in ends.items())
