"""A table as it stands: the last row of each key."""

from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.catalog import TOPICS
from schemas.codec.framing import Codec, Record
from schemas.refusals import DecodeError
from streams.kafka.admin.topics import check
from streams.kafka.reading import admin, end_offsets, read, start_offsets
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

Enough = Callable[[Mapping[str, Record]], bool]
# in which a commit that was told of reaches every partition of it; a broker that lives takes far
# less
SETTLE_SECONDS = 10.0


def read_table(
    settings: Settings, codec: Codec, topic: str, enough: Enough | None = None
) -> dict[str, Record]:
    """Returns the last record of each key, without those deleted since.

    enough: whether what is awaited is in it. Where it is not, a commit that was told of may not
    have reached these partitions, for their brokers end it one by one: they are read again once all
    that was begun by then has ended. Raises MendstreamError where it does not within
    SETTLE_SECONDS.
    """
    client = admin(settings)
    check(client, settings)
    parts = [TopicPartition(topic, number) for number in range(settings.partitions)]
    rows = _read(settings, codec, topic, client, parts)
    if enough is None or enough(rows):
        return rows
    begun = end_offsets(client, parts)

    def ended() -> bool:
        ends = end_offsets(client, parts, committed_only=True)
        return all(ends[part] >= begun[part] for part in parts)

    if not wait_until(ended, SETTLE_SECONDS):
        raise MendstreamError(
            f"What stands on {topic} cannot be seen: a transaction on it is open for more than "
            f"{SETTLE_SECONDS:g} s.",
            "Try again; see `mendstream_open_transaction_seconds` where it stays so.",
        )
    return _read(settings, codec, topic, client, parts)


def _read(
    settings: Settings,
    codec: Codec,
    topic: str,
    client: AdminClient,
    parts: Sequence[TopicPartition],
) -> dict[str, Record]:
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
