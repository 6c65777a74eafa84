"""Clients that answer as librdkafka's do, on a Kafka in memory. Between any two things that they do
others may act.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)

from streams.kafka.memory.group import Metadata
from streams.kafka.memory.log import Headers, TopicPartitionKey
from streams.kafka.memory.memory_broker import MemoryKafka
from streams.runtime.settings import ClientConfig

_EARLIEST = -2  # of OffsetSpec


class Chance(Protocol):
    """Decides what happens in between, and what goes wrong."""

    def step(self, name: str) -> None:
        """Others may act now; the caller may never come back."""
        ...

    def happens(self, what: str) -> bool:
        """Returns True if this rare thing happens at this moment."""
        ...

    def below(self, n: int) -> int:
        """A number from 0 up to, not including, n."""
        ...

    def later(self, act: Callable[[], None]) -> None:
        """Does something at some later step."""
        ...


class MemoryAdmin:
    """The part of an AdminClient that the engine uses."""

    def __init__(self, kafka: MemoryKafka, chance: Chance) -> None:
        self._kafka, self._chance = kafka, chance

    def poll(self, _timeout: float = 0.0) -> int:
        return 0

    def list_topics(self, topic: str | None = None, timeout: float = 0.0) -> Any:
        self._chance.step("list topics")
        topics = {
            name: SimpleNamespace(partitions=dict.fromkeys(range(n)))
            for name, n in self._kafka.topics.items()
        }
        return SimpleNamespace(topics=topics, brokers={1: None})

    def describe_topics(
        self,
        asked: TopicCollection,
        include_authorized_operations: bool = False,
        request_timeout: float = 0.0,
    ) -> dict[str, Any]:
        """Nobody is denied anything in memory, and so it does not say who may do what."""
        described = SimpleNamespace(result=lambda: SimpleNamespace(authorized_operations=None))
        return {name: described for name in asked.topic_names if name in self._kafka.topics}

    def describe_configs(self, asked: Sequence[Any]) -> dict[Any, Any]:
        """Of topics in memory only what tests have set."""
        found = {each: self._kafka.configured.get(each.name, {}) for each in asked}
        entries = {
            each: {n: SimpleNamespace(value=v) for n, v in said.items()}
            for each, said in found.items()
        }
        return {
            each: SimpleNamespace(result=lambda said=said: said) for each, said in entries.items()
        }

    def list_offsets(
        self,
        asked: Mapping[TopicPartition, Any],
        isolation_level: IsolationLevel,
        request_timeout: float = 0.0,
    ) -> dict[TopicPartition, Any]:
        self._chance.step("list offsets")
        found = {}
        for part, spec in asked.items():
            log = self._kafka.logs[part.topic, part.partition]
            end = (
                log.stable_end
                if isolation_level == IsolationLevel.READ_COMMITTED
                else len(log.entries)
            )
            offset = 0 if spec._value == _EARLIEST else end
            found[part] = SimpleNamespace(
                result=lambda offset=offset: SimpleNamespace(offset=offset)
            )
        return found


class MemoryProducer:
    """A producer; what it was given reaches the log bit by bit, and all of it before a commit."""

    def __init__(self, kafka: MemoryKafka, chance: Chance, config: ClientConfig) -> None:
        self._kafka, self._chance = kafka, chance
        self._id: str | None = config.get("transactional.id")
        self._told: Callable[[str], None] = config.get("stats_cb", lambda _statistics: None)
        self._epoch = -1
        self._waiting: list[tuple[TopicPartitionKey, bytes | None, bytes | None, Headers]] = []
        self._disconnects = 0
        self._ended = (
            True  # whether the coordinator has ended the transaction, unless it says otherwise
        )
        self._fatal: KafkaException | None = None

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: str | bytes | None = None,
        partition: int = 0,
        headers: Sequence[tuple[str, str | bytes]] = (),
        on_delivery: Any = None,
    ) -> None:
        raw = key.encode() if isinstance(key, str) else key
        bare = [(name, each.encode() if isinstance(each, str) else each) for name, each in headers]
        self._waiting.append(((topic, partition), raw, value, bare))

    def produce_batch(
        self,
        topic: str,
        messages: Sequence[Mapping[str, Any]],
        partition: int = 0,
        on_delivery: Any = None,
    ) -> int:
        for message in messages:
            self.produce(topic, message["value"], message["key"], partition)
        return len(messages)

    def poll(self, _timeout: float = 0.0) -> int:
        self._chance.step("poll of a producer")
        self._deliver(self._chance.below(len(self._waiting) + 1))
        if self._disconnects:
            self._told(
                json.dumps({"brokers": {"TxnCoordinator": {"disconnects": self._disconnects}}})
            )
        return 0

    def flush(self, _timeout: float = 0.0) -> int:
        self._deliver(len(self._waiting))
        return 0

    def init_transactions(self, _timeout: float = 0.0) -> None:
        assert self._id is not None
        self._chance.step("init")
        self._epoch = self._kafka.init(self._id)
        self._chance.step("init acknowledged")

    def begin_transaction(self) -> None:
        self._check()
        self._ended = False

    def send_offsets_to_transaction(
        self, offsets: Sequence[TopicPartition], group: Metadata, _timeout: float = 0.0
    ) -> None:
        assert self._id is not None
        self._chance.step("offsets sent")
        self._deliver(self._chance.below(len(self._waiting) + 1))
        self._check()
        self._kafka.add_offsets(
            self._id, self._epoch, {(p.topic, p.partition): p.offset for p in offsets}, group
        )
        self._chance.step("offsets acknowledged")

    def commit_transaction(self, _timeout: float = 0.0) -> None:
        assert self._id is not None
        while self._waiting:
            self._chance.step("flush")
            self._deliver(1 + self._chance.below(len(self._waiting)))
            self._check()
        self._chance.step("commit sent")
        if self._chance.happens("a commit's request is lost"):
            raise _slow()
        if not self._ended:
            if self._chance.happens("a commit's request is held up, and sent again"):
                self._disconnects += 1
                self._chance.later(self._stale_end(self._id, self._epoch))
            self._kafka.end(self._id, self._epoch, commit=True)
            self._ended = True
        self._chance.step("committed by the coordinator")
        if self._chance.happens("a commit's answer is lost"):
            raise _slow()
        self._chance.step("commit acknowledged")

    def _stale_end(self, transactional_id: str, epoch: int) -> Callable[[], None]:
        def arrive() -> None:
            try:
                self._kafka.end(transactional_id, epoch, commit=True)
            except KafkaException:
                return  # refused, as it should be: the epoch has grown

        return arrive

    def _deliver(self, n: int) -> None:
        sent, self._waiting = self._waiting[:n], self._waiting[n:]
        if self._id is None:
            for place, key, value, headers in sent:
                self._kafka.write(place, key, value, headers)
            return
        try:
            self._kafka.write_in(self._id, self._epoch, sent)
        except KafkaException as error:
            self._fatal = error

    def _check(self) -> None:
        if self._fatal is not None:
            raise self._fatal


def _slow() -> KafkaException:
    return KafkaException(
        KafkaError(KafkaError._TIMED_OUT, "no answer in time", False, True, False)
    )
