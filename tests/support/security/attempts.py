"""What somebody may try at Kafka, each answered by the codes of the errors that come back: none,
and it was allowed.
"""

from collections.abc import Callable, Iterable

from confluent_kafka import (
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)

from streams.kafka.admin_types import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from streams.kafka.backend import backend_of
from streams.kafka.error_messages import DENIED
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.support.kafka.running import SECONDS

Attempt = Callable[[Settings], set[int]]


def writes(settings: Settings, topics: Iterable[str]) -> dict[str, int]:
    """The error of each topic that a record could not be written to."""
    refused: dict[str, int] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refused[message.topic() or ""] = error.code()

    producer = backend_of(settings).producer(settings.client(**{"message.timeout.ms": 20_000}))
    for topic in topics:
        producer.produce(topic, value=b"by whom?", key=b"key", partition=0, on_delivery=delivered)
    assert producer.flush(SECONDS) == 0
    return refused


def reads(settings: Settings, topics: Iterable[str], group: str) -> dict[str, int]:
    """The error of each topic that could not be read to its end; "" is the group.

    Topics that are hidden are left to the broker's answer: librdkafka would look for them for ever.
    """
    ended = _hidden(settings, topics)
    consumer = backend_of(settings).consumer(
        settings.client(
            **{"group.id": group, "enable.auto.commit": False, "enable.partition.eof": True}
        )
    )
    wanted = set(topics) - ended.keys()
    consumer.assign([TopicPartition(topic, 0, 0) for topic in wanted])

    def over() -> bool:
        for message in consumer.consume(1_000, timeout=0.05):
            error = message.error()
            if error is not None:
                topic = (
                    ""
                    if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
                    else message.topic() or ""
                )
                ended[topic] = error.code()
        return wanted <= ended.keys() and (bool(wanted) or "" in ended)

    try:
        assert wait_until(over, SECONDS), f"neither read nor refused: {wanted - ended.keys()}"
    finally:
        consumer.close()
    return {topic: code for topic, code in ended.items() if code != KafkaError._PARTITION_EOF}


def _hidden(settings: Settings, topics: Iterable[str]) -> dict[str, int]:
    client = backend_of(settings).admin(settings.client())
    asked = client.describe_topics(TopicCollection(list(topics)))
    return {topic: code for topic, future in asked.items() for code in refusal(future.result)}


def write(topic: str) -> Attempt:
    return lambda settings: set(writes(settings, [topic]).values())


def read(topic: str) -> Attempt:
    return lambda settings: set(reads(settings, [topic], settings.sasl_username).values())


def join(group: str, topic: str) -> Attempt:
    """Joins a group, which takes partitions from those who are in it."""

    def attempt(settings: Settings) -> set[int]:
        heard: set[int] = set()
        joined: list[object] = []
        consumer = backend_of(settings).consumer(
            settings.client(**{"group.id": group, "enable.auto.commit": False})
        )
        consumer.subscribe([topic], on_assign=lambda *_: joined.append(_))

        def over() -> bool:
            message = consumer.poll(0.05)
            if message is not None and (error := message.error()) is not None:
                heard.add(error.code())
            return bool(joined or heard & DENIED)

        assert wait_until(over, SECONDS), f"neither joined nor refused: {heard}"
        consumer.close()
        return heard

    return attempt


def set_offsets(group: str, topic: str) -> Attempt:
    """Moves a group's offsets without joining it."""

    def attempt(settings: Settings) -> set[int]:
        consumer = backend_of(settings).consumer(settings.client(**{"group.id": group}))
        try:
            return refusal(
                lambda: consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
            )
        finally:
            consumer.close()

    return attempt


def transact(transactional_id: str) -> Attempt:
    """Takes a transactional id, which fences whoever has it."""

    def attempt(settings: Settings) -> set[int]:
        producer = backend_of(settings).producer(
            settings.client(**{"transactional.id": transactional_id})
        )
        return refusal(lambda: producer.init_transactions(SECONDS))

    return attempt


def delete(topic: str) -> Attempt:
    def attempt(settings: Settings) -> set[int]:
        client = backend_of(settings).admin(
            settings.client()
        )  # named, because the request ends with its client
        return refusal(client.delete_topics([topic])[topic].result)

    return attempt


def grant_itself(topic: str) -> Attempt:
    """Gives itself every right to a topic."""

    def attempt(settings: Settings) -> set[int]:
        who = f"User:{settings.sasl_username}"
        every = (ResourcePatternType.LITERAL, who, "*", AclOperation.ALL, AclPermissionType.ALLOW)
        client = backend_of(settings).admin(settings.client())
        (asked,) = client.create_acls([AclBinding(ResourceType.TOPIC, topic, *every)]).values()
        return refusal(asked.result)

    return attempt


def refusal(call: Callable[[], object]) -> set[int]:
    try:
        call()
    except KafkaException as error:
        return {error.args[0].code()}
    return set()
