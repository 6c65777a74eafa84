"""A table as it stands: the last row of each key."""

from confluent_kafka import TopicPartition

from schemas.catalog import TOPICS
from schemas.refusals import DecodeError
from schemas.wire import Codec, Record
from streams.config import Settings
from streams.errors import MendstreamError
from streams.kafka import admin, end_offsets, read, start_offsets
from streams.topics import check


def standing(settings: Settings, codec: Codec, topic: str) -> dict[str, Record]:
    """The last record of each key, without those deleted since."""
    client = admin(settings)
    check(client, settings)
    parts = [TopicPartition(topic, number) for number in range(settings.partitions)]
    starts, ends = start_offsets(client, parts), end_offsets(client, parts, committed_only=True)
    name = TOPICS[topic].record
    assert name is not None, f"{topic} is a table"
    values: dict[str, bytes] = {}
    for batch in read(settings, {(p.topic, p.partition): (starts[p], ends[p]) for p in parts}):
        for record in batch:
            key, value = (record.key() or b"").decode(errors="replace"), record.value()
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
    try:
        return {key: codec.decode(name, value) for key, value in values.items()}
    except DecodeError as error:
        raise MendstreamError(
            f"{topic} holds a row that this version cannot read: {error.sentence}.",
            "Use the version of Mendstream that wrote it, or the Schema Registry that it used.",
        ) from error
