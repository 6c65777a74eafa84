"""Reads records as they stand in Kafka: committed ones, as far as retention left them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.catalog import TOPICS
from schemas.codec.framing import Codec, Record
from schemas.refusals import DecodeError
from streams.kafka.reading import end_offsets, read, start_offsets
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Stored:
    """One record where it stands."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    record: Record

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition} offset {self.offset}"


def messages(
    settings: Settings, client: AdminClient, topics: Iterable[str], partitions: Iterable[int]
) -> Iterator[Message]:
    """Every committed record of these partitions of these topics; each partition's come in
    order.
    """
    numbers = list(partitions)
    parts = [TopicPartition(topic, partition) for topic in topics for partition in numbers]
    starts, ends = start_offsets(client, parts), end_offsets(client, parts)
    for batch in read(
        settings, {(part.topic, part.partition): (starts[part], ends[part]) for part in parts}
    ):
        yield from batch


def naming(
    settings: Settings,
    codec: Codec,
    client: AdminClient,
    topics: Iterable[str],
    partitions: Iterable[int],
    text: str,
) -> Iterator[Stored]:
    """The records of these topics in whose bytes a text stands; "" stands in all."""
    wanted = text.encode()
    for message in messages(settings, client, topics, partitions):
        if wanted in (message.value() or b""):
            yield _decoded(message, codec)


def _decoded(message: Message, codec: Codec) -> Stored:
    topic, partition, offset = (
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
    )
    name = TOPICS[topic].record
    assert name is not None, f"{topic} holds no record of ours"
    value = message.value() or b""
    try:
        record = codec.decode(name, value)
    except DecodeError as error:
        raise MendstreamError(
            f"{topic}/{partition} offset {offset} cannot be read: {error.sentence}.",
            "Use the version of Mendstream that wrote it, or the Schema Registry that it used.",
        ) from error
    key = (message.key() or b"").decode(errors="replace")
    return Stored(topic, partition, offset, key, value, record)
