"""A consumer on a Kafka in memory: reads what is committed, as a member of a group or by itself."""

from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from streams.kafka.memory.clients import Chance
from streams.kafka.memory.group import Group, GroupMember, Metadata
from streams.kafka.memory.log import Fate, TopicPartitionKey
from streams.kafka.memory.memory_broker import MemoryKafka
from streams.runtime.settings import ClientConfig

Heard = Callable[["MemoryConsumer", list[TopicPartition]], None]
_PATIENCE = 200  # steps that the group's offsets are waited for while a transaction holds some


class MemoryConsumer:
    """Reads a log in memory: chance picks the next partition; within one the order of the log is
    kept.
    """

    def __init__(self, kafka: MemoryKafka, chance: Chance, config: ClientConfig) -> None:
        self._kafka, self._chance = kafka, chance
        self._group = kafka.group(config["group.id"])
        self._instance = config.get("group.instance.id", "")
        self._number = kafka.number()
        self._tells_ends = bool(config.get("enable.partition.eof"))
        self._topics: tuple[str, ...] = ()
        self._on_assign: Heard = _nothing
        self._on_revoke: Heard = _nothing
        self._on_lost: Heard = _nothing
        self._generation = -1
        self._given: list[TopicPartition] | None = None
        self._next: dict[TopicPartitionKey, int] = {}
        self._paused: set[TopicPartitionKey] = set()
        self._ended: dict[TopicPartitionKey, int] = {}  # the end that was told last

    def subscribe(
        self, topics: Sequence[str], on_assign: Heard, on_revoke: Heard, on_lost: Heard
    ) -> None:
        self._topics = tuple(topics)
        self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost
        self._group.partitions = self._kafka.topics[topics[0]]
        self._group.join(self._instance, self._number)

    def assign(self, parts: Sequence[TopicPartition]) -> None:
        self._next = {(part.topic, part.partition): part.offset for part in parts}
        self._paused, self._ended = set(), {}

    def pause(self, parts: Sequence[TopicPartition]) -> None:
        self._paused |= {(part.topic, part.partition) for part in parts}

    def resume(self, parts: Sequence[TopicPartition]) -> None:
        self._paused -= {(part.topic, part.partition) for part in parts}

    def consumer_group_metadata(self) -> Metadata:
        return Metadata(self._group.name, self._instance, self._number, self._generation)

    def committed(
        self, parts: Sequence[TopicPartition], timeout: float = 0.0
    ) -> list[TopicPartition]:
        """Waits for transactions that hold offsets of the group, as a consumer of committed records
        does.
        """
        for _ in range(_PATIENCE):
            self._chance.step("committed")
            if not self._group.pending:
                offsets = self._group.offsets
                return [
                    TopicPartition(p.topic, p.partition, offsets.get((p.topic, p.partition), -1001))
                    for p in parts
                ]
        raise KafkaException(
            KafkaError(
                KafkaError._TIMED_OUT, "offsets are held by a transaction", False, True, False
            )
        )

    def poll(self, timeout: float = 0.0) -> Message | None:
        messages = self.consume(1, timeout)
        return messages[0] if messages else None

    def consume(self, num_messages: int = 1, timeout: float = 0.0) -> list[Message]:
        self._chance.step("poll")
        try:
            self._serve_group()
        except KafkaException as error:
            return [Message(error=error.args[0])]
        found: list[Message] = []
        wanted = 1 + self._chance.below(num_messages)
        while len(found) < wanted and (message := self._take()) is not None:
            found.append(message)
        return found

    def close(self) -> None:
        """Static members do not leave: their places wait for them."""
        if self._given:
            self._on_revoke(self, self._given)
        self._given, self._next = None, {}

    def _serve_group(self) -> None:
        """Takes part in the group: notices that it was thrown out, gives back, waits, is given."""
        if not self._topics:
            return
        group, member = self._group, self._group.member(self._instance, self._number)
        if member is None:
            self._take_back(self._on_lost)
            self._number = self._kafka.number()  # who was thrown out comes back as another member
            group.join(self._instance, self._number)
            member = group.members[self._instance]
        if group.rebalancing and not member.joined:
            self._take_back(self._on_revoke)
            self._chance.step("gave back")
            if (
                group.members.get(self._instance) is member
                and member.number == self._number
                and group.rebalancing
            ):
                group.rejoin(member)
        if not group.rebalancing and self._given is None:
            self._give(group, member)

    def _take_back(self, tell: Heard) -> None:
        if self._given is not None:
            given, self._given, self._next = self._given, None, {}
            tell(self, given)

    def _give(self, group: Group, member: GroupMember) -> None:
        self._generation = group.generation
        self._given = [TopicPartition(topic, p) for topic in self._topics for p in member.places]
        self._on_assign(self, self._given)

    def _take(self) -> Message | None:
        ready = [
            place for place in self._next if place not in self._paused and self._has_news(place)
        ]
        if not ready:
            return None
        place = self._pick(ready)
        log, offset = self._kafka.logs[place], self._next[place]
        if offset >= log.stable_end:
            self._ended[place] = offset
            error = KafkaError(KafkaError._PARTITION_EOF)
            return Message(topic=place[0], partition=place[1], offset=offset, error=error)
        entry = log.entries[offset]
        self._next[place] = offset + 1
        return Message(
            topic=place[0],
            partition=place[1],
            offset=offset,
            key=entry.key,
            value=entry.value,
            headers=list(entry.headers) or None,
            timestamp=(2, entry.at),
        )

    def _pick(self, ready: list[TopicPartitionKey]) -> TopicPartitionKey:
        """The place that the next message is of."""
        return ready[self._chance.below(len(ready))]

    def _has_news(self, place: TopicPartitionKey) -> bool:
        """Skips what no reader sees; whether a record, or an end not told yet, stands next."""
        log, offset = self._kafka.logs[place], self._next[place]
        while offset < log.stable_end and log.entries[offset].fate in (Fate.MARKER, Fate.ABORTED):
            offset += 1
        self._next[place] = offset
        return offset < log.stable_end or (self._tells_ends and self._ended.get(place) != offset)


def _nothing(_consumer: MemoryConsumer, _parts: list[Any]) -> None:
    """For those who want to hear nothing."""
