"""Records to bytes and back, by the schema ids in force: a registry's, or the local ones."""

from collections.abc import Mapping
from typing import Any

from mendstream.client.connection import Connection
from mendstream.client.registry import SchemaRegistry
from schemas.catalog import local_schema_id, schema_text
from schemas.codec.framing import Codec, Record, unframe

_UNKNOWN_MAX = 1_000  # ids that are nobody's: whoever may write to a topic could name any number


class Wire:
    """Encodes and decodes the records of some topics. Raises ClientError where a registry is away
    or does not know a schema.
    """

    def __init__(self, connection: Connection, topics: Mapping[str, str]) -> None:
        """topics: the topic's name in the catalogue by the record's."""
        self._registry = SchemaRegistry(connection) if connection.registry_url else None
        self._ids = {
            record: self._id_of(record, connection.topic(topic)) for record, topic in topics.items()
        }
        self._writers: dict[int, str] = {}
        self._unknown: set[int] = set()
        self._codec = Codec(self._ids)

    def encode(self, record: Record) -> bytes:
        return self._codec.encode(record)

    def decode(self, name: str, value: bytes | None) -> tuple[Record, Any]:
        """The record, and the schema that it was written with. Raises DecodeError for bytes that
        are no such record.
        """
        if self._registry is not None and value is not None:
            self._learn(unframe(value)[0], self._registry)
        record = self._codec.decode(name, value)
        assert value is not None, "a tombstone is not decoded"
        return record, self._codec.written_with(name, value)

    def _id_of(self, record: str, topic: str) -> int:
        if self._registry is None:
            return local_schema_id(record)
        return self._registry.id_of(topic, schema_text(record))

    def _learn(self, schema_id: int, registry: SchemaRegistry) -> None:
        """Takes in another version's schema, which a newer or older processor writes with."""
        if self._codec.knows(schema_id) or schema_id in self._unknown:
            return
        text = registry.schema(schema_id) if len(self._unknown) < _UNKNOWN_MAX else None
        if text is not None:
            try:
                self._codec = Codec(self._ids, self._writers | {schema_id: text})
            except (ValueError, LookupError, TypeError, AttributeError):
                text = None  # of a record that is not read here, or no schema of Avro
        if text is None:
            self._unknown.add(schema_id)
        else:
            self._writers[schema_id] = text
