"""Checks what must hold of the topics for nothing to be lost or mistimed: looked at before a worker
starts, and mended on request.

What merely differs from what we would have created is no fault: it is shown, and everything works.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.catalog import (
    BROADCASTS,
    DEAD_LETTERS,
    FOREIGN,
    INPUTS,
    JOURNAL,
    REDRIVES,
    TOPICS,
    Topic,
)
from streams.kafka.admin_types import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from streams.kafka.error_messages import explained
from streams.runtime.errors import MendstreamError
from streams.runtime.message_sizes import DEAD_LETTER_BYTES, RECORD_BYTES
from streams.runtime.settings import Settings

FIX = "mendstream topics check --fix"
# What waits outlasts a night and a day without workers; shorter, and records are gone before
# anybody has seen the alert.
INPUT_RETENTION_MS_MIN = 2 * 86_400_000
SAFE_REPLICAS = (
    3  # from so many on a record is acknowledged by two, so that losing one broker loses none
)
_FOR_EVER = (
    JOURNAL,
    REDRIVES,
)  # a replay, and what keeps a letter from being redriven twice, reach back to the beginning
_TOLD_MAX = 5  # faults in one message; `topics check` lists all
_ENTRY: Any = ConfigEntry  # its annotations do not know of operations
_OPERATION: Any = AlterConfigOpType

Config = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unmet:
    """A condition that a topic does not meet. setting, wanted: what mends it; empty: only making
    the topic anew does.
    """

    topic: str
    setting: str
    wanted: str
    sentence: str


def unmet(
    client: AdminClient, settings: Settings, names: Collection[str] = TOPICS.keys()
) -> list[Unmet]:
    """Every condition that is not met by one of these topics, as far as they exist."""
    there = client.list_topics(timeout=10.0).topics
    chosen = [topic for topic in TOPICS.values() if topic.name in names and topic.name in there]
    asked = client.describe_configs(
        [ConfigResource(ResourceType.TOPIC, topic.name) for topic in chosen]
    )
    try:
        found = {resource.name: future.result() for resource, future in asked.items()}
    except KafkaException as error:
        raise explained(error.args[0], settings) from error
    faults: list[Unmet] = []
    for topic in chosen:
        config = {name: entry.value for name, entry in found.get(topic.name, {}).items()}
        faults += faults_of(topic, config)
        parts = there[topic.name].partitions
        replicas = min(
            (len(part.replicas) for part in parts.values() if part is not None), default=0
        )
        faults += _replication(topic, config, replicas, settings.replication)
    return faults


def verify(client: AdminClient, settings: Settings) -> None:
    """Raises MendstreamError, with the command that mends it, unless every topic meets its
    conditions.
    """
    faults = unmet(client, settings)
    if faults:
        told = "; ".join(
            f"{settings.topic(each.topic)}: {each.sentence}" for each in faults[:_TOLD_MAX]
        )
        more = f"; and {len(faults) - _TOLD_MAX} more" if len(faults) > _TOLD_MAX else ""
        raise MendstreamError(f"Topics are not as they must be: {told}{more}.", remedy(faults))


def remedy(faults: Collection[Unmet]) -> str:
    """Returns a sentence that says how to mend these faults."""
    if all(each.setting for each in faults):
        return f"Run `{FIX}`."
    return (
        f"Run `{FIX}` for what settings mend; for replicas use Kafka's kafka-reassign-partitions."
    )


def fix(client: AdminClient, settings: Settings, faults: Collection[Unmet]) -> list[Unmet]:
    """Alters the settings that mend these faults; returns those it could. Raises MendstreamError
    where Kafka refuses.
    """
    mended = [each for each in faults if each.setting]
    entries: dict[str, list[Any]] = {}
    for each in mended:
        made = _ENTRY(each.setting, each.wanted, incremental_operation=_OPERATION.SET)
        entries.setdefault(each.topic, []).append(made)
    resources = [
        ConfigResource(ResourceType.TOPIC, name, incremental_configs=altered)
        for name, altered in entries.items()
    ]
    for future in client.incremental_alter_configs(resources).values() if resources else ():
        try:
            future.result()
        except KafkaException as error:
            raise explained(error.args[0], settings) from error
    return mended


def faults_of(topic: Topic, config: Config) -> Iterator[Unmet]:
    """Yields the settings of one topic that lose, mistime or refuse records.

    A setting of which Kafka says nothing is believed to be right.
    """
    name = topic.name
    policies = {each.strip() for each in config.get("cleanup.policy", topic.cleanup).split(",")}
    if policies != {topic.cleanup}:
        lost = (
            "rows are deleted by age"
            if topic.cleanup == "compact"
            else "all but the last record of a key is deleted"
        )
        yield Unmet(
            name,
            "cleanup.policy",
            topic.cleanup,
            f"cleanup.policy is {config['cleanup.policy']}, so {lost}",
        )
    if (
        name in (*INPUTS, *BROADCASTS)
        and config.get("message.timestamp.type", "LogAppendTime") != "LogAppendTime"
    ):
        sentence = (
            f"message.timestamp.type is {config['message.timestamp.type']}, so producers' "
            "clocks would be believed"
        )
        yield Unmet(name, "message.timestamp.type", "LogAppendTime", sentence)
    if topic.cleanup == "delete":
        yield from _retention(topic, config)
    yield from _sizes(topic, config)
    if config.get("unclean.leader.election.enable", "false") == "true":
        sentence = (
            "unclean.leader.election.enable is true, so acknowledged records are lost with a leader"
        )
        yield Unmet(name, "unclean.leader.election.enable", "false", sentence)


def _retention(topic: Topic, config: Config) -> Iterator[Unmet]:
    """Yields what is in force for the topic, of its own or of the broker for all topics that say
    nothing.
    """
    kept, most = int(config.get("retention.ms", "-1")), int(config.get("retention.bytes", "-1"))
    if topic.name in _FOR_EVER:
        if kept != -1:
            yield Unmet(
                topic.name,
                "retention.ms",
                "-1",
                f"retention.ms is {kept}, and it must be kept for ever (-1)",
            )
        if most != -1:
            sentence = f"retention.bytes is {most}, and it must be kept for ever (-1)"
            yield Unmet(topic.name, "retention.bytes", "-1", sentence)
    elif topic.name in INPUTS:
        if -1 < kept < INPUT_RETENTION_MS_MIN:
            sentence = (
                f"retention.ms is {kept}, less than {INPUT_RETENTION_MS_MIN}: what waits is "
                "gone after a night"
            )
            wanted = (
                INPUT_RETENTION_MS_MIN
                if topic.retention_days is None
                else topic.retention_days * 86_400_000
            )
            yield Unmet(topic.name, "retention.ms", str(wanted), sentence)
        if most != -1:
            sentence = (
                f"retention.bytes is {most}: what waits beyond that size is gone, however "
                "short it has waited"
            )
            yield Unmet(topic.name, "retention.bytes", "-1", sentence)


def _sizes(topic: Topic, config: Config) -> Iterator[Unmet]:
    least = DEAD_LETTER_BYTES if topic.name == DEAD_LETTERS else RECORD_BYTES
    found = int(config.get("max.message.bytes", least))
    if found < least and topic.name not in FOREIGN:
        sentence = f"max.message.bytes is {found}, and records of {least} are written to it"
        yield Unmet(topic.name, "max.message.bytes", str(least), sentence)


def _replication(topic: Topic, config: Config, replicas: int, wanted: int) -> Iterator[Unmet]:
    """replicas: of the partition that has fewest; 0 where Kafka does not say."""
    if not replicas:
        return
    if replicas < wanted:
        yield Unmet(topic.name, "", "", f"it has {replicas} replicas, {wanted} are configured")
    insync = int(config.get("min.insync.replicas", "1"))
    if insync > replicas:
        sentence = (
            f"min.insync.replicas is {insync} of {replicas} replicas, so nothing can be written"
        )
        yield Unmet(topic.name, "min.insync.replicas", str(max(1, replicas - 1)), sentence)
    elif insync < 2 and min(replicas, wanted) >= SAFE_REPLICAS:
        sentence = (
            f"min.insync.replicas is {insync}, so a record that one broker has is acknowledged"
        )
        yield Unmet(topic.name, "min.insync.replicas", "2", sentence)
