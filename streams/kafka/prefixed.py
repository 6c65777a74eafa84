"""Clients of a Kafka where every topic of this installation has a prefix.

Inside, topics have the names of schemas/catalog.py, whatever the prefix: what is decided, and each
id, follows from the records alone. These clients are the one place where names are translated: out
as a call goes to Kafka, in as its answer comes back. They have only the calls that Mendstream
makes, so that no name can pass by unseen.

A dead letter says in a header which topic its record came from. Tools of others read that header
too, so it holds the name that the topic has at Kafka.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from schemas.catalog import DEAD_LETTERS
from streams.kafka.admin_types import NewTopic, ResourceType
from streams.kafka.dead_letters import ERRORS
from streams.runtime.settings import ClientConfig

_ORIGIN = f"{ERRORS}topic"

OnDelivery = Callable[[KafkaError | None, Message], None]
OnRebalance = Callable[[Any, list[TopicPartition]], None]


@dataclass(frozen=True, slots=True)
class Names:
    """Translates names of topics.

    >>> names = Names("staging.")
    >>> names.out("ticks.v1"), names.back("staging.ticks.v1")
    ('staging.ticks.v1', 'ticks.v1')
    """

    prefix: str

    def out(self, topic: str) -> str:
        """The name at Kafka of a topic of the catalog."""
        return f"{self.prefix}{topic}"

    def back(self, topic: str) -> str:
        """The name in the catalog of a topic at Kafka."""
        return topic.removeprefix(self.prefix)

    def parts_out(self, parts: Iterable[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(self.out(p.topic), p.partition, p.offset) for p in parts]

    def parts_back(self, parts: Iterable[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(self.back(p.topic), p.partition, p.offset) for p in parts]

    def message_back(self, message: Message) -> Message:
        topic = message.topic()
        if topic is None:  # an error that concerns no topic
            return message
        name = self.back(topic)
        message.set_topic(name)  # type: ignore[attr-defined]
        if name == DEAD_LETTERS and (headers := message.headers()):
            pairs = headers.items() if isinstance(headers, dict) else headers
            message.set_headers(_origin_renamed(list(pairs), self.back))
        return message


@dataclass(frozen=True, slots=True)
class PartitionAnswer:
    """A partition that Kafka answered about; of a TopicPartition the error cannot be set."""

    topic: str
    partition: int
    offset: int
    error: KafkaError | None


def _origin_renamed(
    headers: Sequence[tuple[str, Any]], rename: Callable[[str], str]
) -> list[tuple[str, Any]]:
    """Headers with the last one that names an origin renamed: those before it are a stranger's."""
    found = list(headers)
    for at in reversed(range(len(found))):
        name, value = found[at]
        if name == _ORIGIN:
            text = value.decode(errors="replace") if isinstance(value, bytes) else value or ""
            found[at] = name, rename(text).encode()
            break
    return found


class PrefixedConsumer:
    """A consumer that is told, and tells, names without the prefix."""

    def __init__(
        self, connect: Callable[[ClientConfig], Consumer], names: Names, config: ClientConfig
    ) -> None:
        self._names = names
        if "stats_cb" in config:
            config = config | {"stats_cb": self._statistics_to(config["stats_cb"])}
        self._consumer = connect(config)

    def subscribe(
        self,
        topics: Sequence[str],
        on_assign: OnRebalance,
        on_revoke: OnRebalance,
        on_lost: OnRebalance,
    ) -> None:
        self._consumer.subscribe(
            [self._names.out(topic) for topic in topics],
            on_assign=self._heard(on_assign),
            on_revoke=self._heard(on_revoke),
            on_lost=self._heard(on_lost),
        )

    def assign(self, parts: Iterable[TopicPartition]) -> None:
        self._consumer.assign(self._names.parts_out(parts))

    def pause(self, parts: Iterable[TopicPartition]) -> None:
        self._consumer.pause(self._names.parts_out(parts))

    def resume(self, parts: Iterable[TopicPartition]) -> None:
        self._consumer.resume(self._names.parts_out(parts))

    def seek(self, part: TopicPartition) -> None:
        self._consumer.seek(self._names.parts_out([part])[0])

    def position(self, parts: Iterable[TopicPartition]) -> list[PartitionAnswer]:
        return self._answers(self._consumer.position(self._names.parts_out(parts)))

    def get_watermark_offsets(
        self, part: TopicPartition, timeout: float = -1.0, cached: bool = False
    ) -> tuple[int, int] | None:
        (asked,) = self._names.parts_out([part])
        return self._consumer.get_watermark_offsets(asked, timeout=timeout, cached=cached)

    def committed(
        self, parts: Iterable[TopicPartition], timeout: float = -1.0
    ) -> list[PartitionAnswer]:
        asked = self._names.parts_out(parts)
        return self._answers(self._consumer.committed(asked, timeout=timeout))

    def poll(self, timeout: float = -1.0) -> Message | None:
        message = self._consumer.poll(timeout)
        return None if message is None else self._names.message_back(message)

    def consume(self, num_messages: int = 1, timeout: float = -1.0) -> list[Message]:
        messages = self._consumer.consume(num_messages, timeout=timeout)
        for message in messages:
            self._names.message_back(message)
        return messages

    def consumer_group_metadata(self) -> Any:
        return self._consumer.consumer_group_metadata()

    def close(self) -> None:
        self._consumer.close()

    def _answers(self, parts: Iterable[TopicPartition]) -> list[PartitionAnswer]:
        return [
            PartitionAnswer(self._names.back(p.topic), p.partition, p.offset, p.error)
            for p in parts
        ]

    def _heard(self, told: OnRebalance) -> OnRebalance:
        return lambda _consumer, parts: told(self, self._names.parts_back(parts))

    def _statistics_to(self, told: Callable[[str], None]) -> Callable[[str], None]:
        def tell(statistics: str) -> None:
            said = json.loads(statistics)
            topics = said.get("topics", {})
            said["topics"] = {self._names.back(topic): each for topic, each in topics.items()}
            told(json.dumps(said))

        return tell


class PrefixedProducer:
    """A producer that is told, and tells, names without the prefix."""

    def __init__(self, producer: Producer, names: Names) -> None:
        self._producer, self._names = producer, names

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: str | bytes | None = None,
        partition: int | None = None,
        on_delivery: OnDelivery | None = None,
        **more: Any,
    ) -> None:
        """partition: None where the client chooses it."""
        if partition is not None:
            more["partition"] = partition
        if topic == DEAD_LETTERS and more.get("headers"):
            more["headers"] = _origin_renamed(more["headers"], self._names.out)
        if on_delivery is not None:
            more["on_delivery"] = self._delivered_to(on_delivery)
        self._producer.produce(self._names.out(topic), value=value, key=key, **more)

    def produce_batch(
        self,
        topic: str,
        messages: list[dict[str, Any]],
        partition: int,
        on_delivery: OnDelivery | None = None,
    ) -> int:
        more = {} if on_delivery is None else {"on_delivery": self._delivered_to(on_delivery)}
        return self._producer.produce_batch(
            self._names.out(topic), messages, partition=partition, **more
        )

    def poll(self, timeout: float = -1.0) -> int:
        return self._producer.poll(timeout)

    def flush(self, timeout: float = -1.0) -> int:
        return self._producer.flush(timeout)

    def purge(self, **which: Any) -> None:
        self._producer.purge(**which)

    def init_transactions(self, timeout: float = -1.0) -> None:
        self._producer.init_transactions(timeout)

    def begin_transaction(self) -> None:
        self._producer.begin_transaction()

    def send_offsets_to_transaction(
        self, offsets: Iterable[TopicPartition], group: Any, timeout: float = -1.0
    ) -> None:
        self._producer.send_offsets_to_transaction(self._names.parts_out(offsets), group, timeout)

    def commit_transaction(self, timeout: float = -1.0) -> None:
        self._producer.commit_transaction(timeout)

    def abort_transaction(self, timeout: float = -1.0) -> None:
        self._producer.abort_transaction(timeout)

    def _delivered_to(self, told: OnDelivery) -> OnDelivery:
        names = self._names
        return lambda error, message: told(error, names.message_back(message))


class PrefixedAdmin:
    """An admin client that is told, and tells, names without the prefix.

    Rights name what is not a topic too, so `create_acls` takes them as they are to stand at Kafka.
    """

    def __init__(self, client: AdminClient, names: Names) -> None:
        self._client, self._names = client, names

    def poll(self, timeout: float = -1.0) -> int:
        return self._client.poll(timeout)

    def list_topics(self, timeout: float = -1.0) -> Any:
        """Returns what Kafka has of this installation; topics without the prefix are another's."""
        found = self._client.list_topics(timeout=timeout)
        found.topics = {
            self._names.back(topic): each
            for topic, each in found.topics.items()
            if topic.startswith(self._names.prefix)
        }
        return found

    def create_topics(self, topics: Iterable[NewTopic], **more: Any) -> dict[str, Any]:
        named = [
            NewTopic(
                self._names.out(each.topic),
                each.num_partitions,
                each.replication_factor,
                config=each.config,
            )
            for each in topics
        ]
        return self._back(self._client.create_topics(named, **more))

    def delete_topics(self, topics: Iterable[str], **more: Any) -> dict[str, Any]:
        return self._back(
            self._client.delete_topics([self._names.out(topic) for topic in topics], **more)
        )

    def describe_topics(self, asked: TopicCollection, **more: Any) -> dict[str, Any]:
        names = TopicCollection([self._names.out(topic) for topic in asked.topic_names])
        return self._back(self._client.describe_topics(names, **more))

    def describe_configs(self, asked: Iterable[Any]) -> dict[Any, Any]:
        return self._resources(asked, self._client.describe_configs)

    def incremental_alter_configs(self, asked: Iterable[Any]) -> dict[Any, Any]:
        return self._resources(asked, self._client.incremental_alter_configs)

    def describe_consumer_groups(self, groups: list[str]) -> dict[str, Any]:
        """Their members; which partitions those have is said with the names at Kafka."""
        found: dict[str, Any] = self._client.describe_consumer_groups(groups)
        return found

    def list_offsets(
        self, asked: Mapping[TopicPartition, Any], **more: Any
    ) -> dict[TopicPartition, Any]:
        parts = dict(zip(self._names.parts_out(asked), asked, strict=True))
        specs = {out: asked[part] for out, part in parts.items()}
        found = self._client.list_offsets(specs, **more)
        return {parts[out]: future for out, future in found.items()}

    def create_acls(self, bindings: Any) -> dict[Any, Any]:
        found: dict[Any, Any] = self._client.create_acls(bindings)
        return found

    def _back(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {self._names.back(topic): each for topic, each in found.items()}

    def _resources(
        self, asked: Iterable[Any], ask: Callable[[list[Any]], dict[Any, Any]]
    ) -> dict[Any, Any]:
        """Asks about resources under the names that they have at Kafka."""
        resources = list(asked)
        assert all(each.restype == ResourceType.TOPIC for each in resources), "only topics"
        named = [self._named(each) for each in resources]
        given = {each.name: resource for each, resource in zip(named, resources, strict=True)}
        return {given[each.name]: future for each, future in ask(named).items()}

    def _named(self, resource: Any) -> Any:
        return type(resource)(
            resource.restype,
            self._names.out(resource.name),
            incremental_configs=resource.incremental_configs,
        )
