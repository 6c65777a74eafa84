"""Reads what every worker reads whole: policies, and how far agents are trusted. One partition
each.
"""

import logging

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.catalog import BROADCASTS, POLICIES
from streams.kafka.error_messages import DENIED, explained
from streams.kafka.reading import READER, committed_reader, end_offsets, read, start_offsets
from streams.runtime.settings import Settings

log = logging.getLogger("mendstream.broadcast")


class Broadcast:
    """All policies and each agent's last level so far, and what comes."""

    def __init__(self, settings: Settings, client: AdminClient) -> None:
        self._settings = settings
        parts = [TopicPartition(topic, 0) for topic in BROADCASTS]
        # A stranger's open transaction is not waited for: what it holds comes as news once it has
        # ended.
        ends, starts = end_offsets(client, parts, committed_only=True), start_offsets(client, parts)
        self._last: dict[tuple[str, bytes], Message] = {}
        ranges = {(part.topic, 0): (starts[part], ends[part]) for part in parts}
        self._news = [message for batch in read(settings, ranges) for message in batch]
        self._keep(self._news)
        self._consumer = committed_reader(settings, {"auto.offset.reset": "earliest"})
        self._consumer.assign([TopicPartition(part.topic, 0, ends[part]) for part in parts])

    def all(self) -> list[Message]:
        """Returns the last record of each key, in the order of each topic."""
        return sorted(
            self._last.values(), key=lambda message: (message.topic() or "", message.offset() or 0)
        )

    def again(self) -> None:
        """Tells all of them once more: partitions that were just restored know which they have
        applied.
        """
        self._news = self.all()

    def news(self) -> list[Message]:
        """Records not told yet. Raises MendstreamError once Kafka denies them."""
        for message in self._consumer.consume(100, timeout=0):
            if (error := message.error()) is None:
                self._news.append(message)
                self._keep([message])
            elif error.code() in DENIED:
                raise explained(error, self._settings, message.topic() or "", READER)
            else:
                log.warning("broadcast: %s", error.str())
        news, self._news = self._news, []
        return news

    def close(self) -> None:
        self._consumer.close()

    def _keep(self, messages: list[Message]) -> None:
        for message in messages:
            topic, key = message.topic() or "", message.key()
            # Every policy is kept: one that is wrong must get its dead letter also where another
            # followed it.
            own = key if key is not None and topic != POLICIES else str(message.offset()).encode()
            self._last[topic, own] = message
