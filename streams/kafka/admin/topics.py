"""Creates the topics, and checks that those which exist are what they should be."""

from collections.abc import Collection

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from schemas.catalog import BROADCASTS, DEAD_LETTERS, INPUTS, TOPICS, Topic
from streams.kafka.admin.permissions import check_visible
from streams.kafka.admin.topic_conditions import SAFE_REPLICAS, verify
from streams.kafka.admin_types import ConfigResource, NewTopic, ResourceType
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.message_sizes import DEAD_LETTER_BYTES
from streams.runtime.settings import Settings

_DAY_MS = 86_400_000
_SETTLE_SECONDS = 30.0


def settings_of(topic: Topic, replication: int = 1) -> dict[str, str]:
    """The topic's configuration at the broker, where it has so many replicas."""
    config = {"cleanup.policy": topic.cleanup, "compression.type": "producer"}
    if topic.name in (*INPUTS, *BROADCASTS):
        config["message.timestamp.type"] = (
            "LogAppendTime"  # `now` is the broker's clock, not a producer's
        )
    if topic.name == DEAD_LETTERS:
        config["max.message.bytes"] = str(DEAD_LETTER_BYTES)
    if replication >= SAFE_REPLICAS:
        config["min.insync.replicas"] = "2"
    if topic.cleanup == "compact":
        # Short segments and an eager cleaner: a restore then reads little more than the rows.
        config |= {
            "segment.bytes": str(16 * 1024 * 1024),
            "segment.ms": str(600_000),
            "max.compaction.lag.ms": str(600_000),
            "min.cleanable.dirty.ratio": "0.2",
            "delete.retention.ms": str(_DAY_MS),
        }
    else:
        config["retention.bytes"] = (
            "-1"  # a size that the broker has for all topics would cut the time short
        )
        config["retention.ms"] = (
            "-1" if topic.retention_days is None else str(topic.retention_days * _DAY_MS)
        )
    return config


def partitions_of(topic: Topic, settings: Settings) -> int:
    return settings.partitions if topic.partitions == "co" else topic.partitions


def create(client: AdminClient, settings: Settings) -> list[str]:
    """Creates what is missing; returns the names created. Raises MendstreamError as `check` and
    `verify` do.
    """
    there = client.list_topics(timeout=10.0).topics
    missing = [
        NewTopic(
            t.name,
            partitions_of(t, settings),
            settings.replication,
            config=settings_of(t, settings.replication),
        )
        for t in TOPICS.values()
        if t.name not in there
    ]
    if missing:
        for name, future in client.create_topics(
            missing, operation_timeout=_SETTLE_SECONDS
        ).items():
            _await(settings.topic(name), future)
    _settle(client, settings, _SETTLE_SECONDS if missing else 0.0)
    verify(client, settings)
    return [topic.topic for topic in missing]


def check(client: AdminClient, settings: Settings, names: Collection[str] = TOPICS.keys()) -> None:
    """Raises MendstreamError if one of these topics is missing or has another partition count than
    configured.
    """
    there = client.list_topics(timeout=10.0).topics
    missing = [
        name
        for name in TOPICS
        if name in names and (name not in there or not there[name].partitions)
    ]
    if missing:
        check_visible(client, settings, missing)
        raise MendstreamError(
            f"Topics are missing: {', '.join(map(settings.topic, missing))}.",
            "Run `mendstream topics create`.",
        )
    for topic in (topic for topic in TOPICS.values() if topic.name in names):
        wanted, found = partitions_of(topic, settings), len(there[topic.name].partitions)
        if wanted != found:
            raise MendstreamError(
                f"Topic {settings.topic(topic.name)} has {found} partitions, {wanted} are "
                "configured.",
                f"Set MENDSTREAM_PARTITIONS={found} if all co-partitioned topics have {found}; "
                "else create them anew: a key must keep its partition.",
            )


def describe(client: AdminClient, settings: Settings) -> list[tuple[Topic, int, dict[str, str]]]:
    """Each topic with its partition count and where its configuration differs from what it should
    be.
    """
    there = client.list_topics(timeout=10.0).topics
    names = [topic.name for topic in TOPICS.values() if topic.name in there]
    asked = client.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    found = {resource.name: future.result() for resource, future in asked.items()}
    rows = []
    for topic in TOPICS.values():
        config = found.get(topic.name, {})
        differs = {
            name: config[name].value
            for name, wanted in settings_of(topic, settings.replication).items()
            if name in config and config[name].value != wanted
        }
        count = len(there[topic.name].partitions) if topic.name in there else 0
        rows.append((topic, count, differs))
    return rows


def _settle(client: AdminClient, settings: Settings, seconds: float) -> None:
    """Checks until all is well: brokers learn of new topics one after the other, and any of them
    answers.
    """
    wrong: list[MendstreamError] = []

    def well() -> bool:
        try:
            check(client, settings)
        except MendstreamError as error:
            wrong.append(error)
            return False
        return True

    if not wait_until(well, seconds):
        raise wrong[-1]


def _await(name: str, future: object) -> None:
    try:
        future.result()  # type: ignore[attr-defined]
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise MendstreamError(
                f"Topic {name} cannot be created: {error.args[0].str()}.",
                "Does the principal have the right to create topics, and the cluster enough "
                "brokers "
                "for MENDSTREAM_REPLICATION?",
            ) from error
