"""The topics of others that a map names: whether they are there, and how far each is read."""

from collections.abc import Iterable

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from ingest.mapping import IngestMap
from schemas.catalog import TOPICS
from streams.kafka.reading import end_offsets
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

LOOK_SECONDS = 1.0  # how often the ends of the topics are asked for


def partitions_of(
    client: AdminClient, settings: Settings, ingest: IngestMap
) -> list[TopicPartition]:
    """All partitions of the sources. Raises MendstreamError for a topic that does not exist, or
    that Mendstream itself writes.
    """
    there = client.list_topics(timeout=10.0).topics
    names = [source.topic for source in ingest.sources]
    if ours := [name for name in names if name in TOPICS]:
        raise MendstreamError(
            f"{ours[0]} of the map is a topic of Mendstream's own.", "Name a topic of yours."
        )
    missing = [name for name in names if name not in there or not there[name].partitions]
    if missing:
        raise MendstreamError(
            f"There is no topic {', '.join(map(settings.topic, missing))}, which the map names.",
            "Create it, or mend the map; where it exists, `READ` on it is missing.",
        )
    return [TopicPartition(name, p) for name in names for p in sorted(there[name].partitions)]


class SourceProgress:
    """How far the sources are read.

    The watermark is a moment, ms: everything that was written to any of the sources until then is
    read. It lies just before the least, over all partitions, of the time of the newest record read,
    or, where a partition was read to its end, of the moment at which that end was asked for.
    """

    def __init__(self, parts: Iterable[TopicPartition]) -> None:
        self.reached = {(part.topic, part.partition): part.offset for part in parts}
        self._moments = dict.fromkeys(self.reached, 0)

    @property
    def watermark(self) -> int:
        return min(self._moments.values()) - 1  # more may be written within the same millisecond

    def read(self, place: tuple[str, int], next_offset: int, written_at: int) -> None:
        """Notes that a partition is read up to an offset, whose last record was written then."""
        self.reached[place] = max(self.reached[place], next_offset)
        self._moments[place] = max(self._moments[place], written_at)

    def ends(self, place: tuple[str, int], offset: int) -> None:
        """Notes that nothing can be read of a partition before this offset any more."""
        self.reached[place] = max(self.reached[place], offset)

    def look(self, client: AdminClient, now: int) -> None:
        """Moves on where all is read that stood there at `now`, ms, which is before this call.

        Records of open transactions count as not read: they may yet be committed.
        """
        parts = [TopicPartition(*place) for place in self.reached]
        for part, end in end_offsets(client, parts).items():
            place = part.topic, part.partition
            if self.reached[place] >= end:
                self._moments[place] = max(self._moments[place], now)
