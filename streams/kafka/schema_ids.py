"""Gets the schema ids: from a Schema Registry where one is configured, else the local ones."""

from schemas.catalog import TOPICS, local_ids
from schemas.codec.framing import Codec
from streams.runtime.settings import Settings


def codec_for(settings: Settings) -> Codec:
    """The codec with the ids in force. Raises MendstreamError where a registry is away or lacks a
    schema.
    """
    if not settings.registry_url:
        return Codec(local_ids())
    from streams.kafka.schema_registry import Registry  # slow to import; see there

    with Registry(settings) as registry:
        return registry.codec()


def register(settings: Settings) -> None:
    """Registers every schema under `<topic>-value` with its compatibility; does nothing without a
    registry.

    Raises MendstreamError where the registry is away or refuses a schema.
    """
    if not settings.registry_url:
        return
    from streams.kafka.schema_registry import Registry

    with Registry(settings) as registry:
        for topic in TOPICS.values():
            if topic.record is not None:
                registry.register(topic)
