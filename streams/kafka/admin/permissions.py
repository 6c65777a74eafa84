"""Says which rights at Kafka are missing before anything is read: all at once, not one by one as
they are needed.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from streams.kafka.admin.acls import RoleName, rights
from streams.kafka.error_messages import REMEDY, explained, principal
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

SECONDS = 30.0


class Denied(MendstreamError):
    """Kafka says which rights are missing."""


def check_rights(
    client: AdminClient, settings: Settings, role: RoleName = "processor", seconds: float = SECONDS
) -> None:
    """Raises Denied if the principal lacks a right to a topic that its role needs, MendstreamError
    if Kafka does not say.

    Kafka tells nobody about transactional ids and groups beforehand; what is missing there shows
    when it is used.
    """
    wanted = defaultdict(list)
    for right in rights(role, settings, own_group=""):
        if right.kind == "TOPIC":
            wanted[right.name].append(right.operation)
    granted = _granted(client, settings, wanted, seconds)
    lacking: dict[str, list[str]] = defaultdict(list)
    for name, operations in wanted.items():
        for operation in operations:
            if name in granted and operation not in granted[name]:
                lacking[operation].append(name)
    if lacking:
        raise _denied(lacking, settings)


def check_visible(client: AdminClient, settings: Settings, names: Collection[str]) -> None:
    """Raises MendstreamError if any of these topics is there for others, but not for this
    principal.
    """
    granted = _granted(client, settings, names, SECONDS)
    if hidden := [name for name in names if name in granted and not granted[name]]:
        raise _denied({"DESCRIBE": hidden}, settings)


def _granted(
    client: AdminClient, settings: Settings, names: Collection[str], seconds: float
) -> Mapping[str, Collection[str]]:
    """Returns what the principal may do with each topic; topics that do not exist, or of which
    Kafka does not say, are absent.
    """
    asked = client.describe_topics(
        TopicCollection(list(names)), include_authorized_operations=True, request_timeout=seconds
    )
    granted: dict[str, Collection[str]] = {}
    for name, future in asked.items():
        try:
            allowed = future.result().authorized_operations
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                granted[name] = ()
            elif code != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise explained(error.args[0], settings) from error
        else:
            if allowed is not None:
                granted[name] = {operation.name for operation in allowed}
    return granted


def _denied(lacking: Mapping[str, Collection[str]], settings: Settings) -> Denied:
    told = "; ".join(
        f"{operation} topic {', '.join(map(settings.topic, names))}"
        for operation, names in lacking.items()
    )
    return Denied(
        f"Kafka at {settings.bootstrap} denies {principal(settings)} this: {told}.", REMEDY
    )
