"""The policies: one partition that every worker reads whole."""

import logging

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.catalog import POLICIES
from streams.config import Settings
from streams.door import door
from streams.kafka import DENIED, READER, end_offsets, explained, read, start_offsets

log = logging.getLogger("mendstream.policies")


class Policies:
    """All policy records so far, and those that come."""

    def __init__(self, settings: Settings, client: AdminClient) -> None:
        self._settings = settings
        part = TopicPartition(POLICIES, 0)
        end = end_offsets(client, [part])[part]
        start = start_offsets(client, [part])[part]
        self._all = [message for batch in read(settings, {(POLICIES, 0): (start, end)}) for message in batch]
        self._told = 0
        self._consumer = door(settings).consumer(
            settings.client(
                **{
                    "group.id": READER,
                    "enable.auto.commit": False,
                    "isolation.level": "read_committed",
                    "auto.offset.reset": "earliest",
                }
            )
        )
        self._consumer.assign([TopicPartition(POLICIES, 0, end)])

    def all(self) -> list[Message]:
        """Every record read so far."""
        return self._all

    def again(self) -> None:
        """Tells all of them once more: partitions that were just restored know which they have applied."""
        self._told = 0

    def news(self) -> list[Message]:
        """Records not told yet. Raises MendstreamError once Kafka denies them."""
        for message in self._consumer.consume(100, timeout=0):
            if (error := message.error()) is None:
                self._all.append(message)
            elif error.code() in DENIED:
                raise explained(error, self._settings, POLICIES, READER)
            else:
                log.warning("policies: %s", error.str())
        news, self._told = self._all[self._told :], len(self._all)
        return news

    def close(self) -> None:
        self._consumer.close()
