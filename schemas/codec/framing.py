"""Records to bytes and back: Confluent framing around Avro, CloudEvents headers beside it."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from keyword import iskeyword
from types import NoneType
from typing import Any, ClassVar, Protocol

import fastavro
from fastavro.read import SchemaResolutionError

from schemas import records
from schemas.catalog import FOREIGN, TOPICS, plain_schema, schema_text
from schemas.codec.strict_scan import Strict
from schemas.refusals import DecodeError, Reason

HEADER_BYTES = 5
# of a stranger's value: a result is some 200 bytes; bounds what one bad producer can make a slice
# cost
MAX_BYTES = 65_536
_HEADER = struct.Struct(">BI")  # magic byte 0, schema id
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOREIGN = {TOPICS[name].record for name in FOREIGN}
_UNREADABLE = (SchemaResolutionError, EOFError, ValueError, TypeError, LookupError, OverflowError)

# what stands in a record as it is; the other types are asked for their fields
_PLAIN = frozenset((str, int, float, bool, bytes, NoneType))


class Record(Protocol):
    """Any dataclass of schemas/records."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


def header(schema_id: int) -> bytes:
    return _HEADER.pack(0, schema_id)


def frame(schema_id: int, body: bytes) -> bytes:
    """Confluent wire format: 0x00, the schema id as big-endian int32, the Avro body."""
    return header(schema_id) + body


def unframe(value: bytes) -> tuple[int, bytes]:
    """(schema id, body). Raises DecodeError NOT_FRAMED."""
    if len(value) < HEADER_BYTES or value[0] != 0:
        raise DecodeError(
            Reason.NOT_FRAMED,
            f"{len(value)} bytes that begin {value[:HEADER_BYTES]!r}: no schema id",
        )
    return _HEADER.unpack_from(value)[1], value[HEADER_BYTES:]


def cloud_event_headers(
    event_type: str, event_id: str, source: str, time_ms: int, subject: str
) -> list[tuple[str, bytes]]:
    """Headers of a CloudEvent in Kafka's binary mode."""
    moment = (
        (_EPOCH + timedelta(milliseconds=time_ms))
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_source": source,
        "ce_type": event_type,
        "ce_time": moment,
        "ce_subject": subject,
        "content-type": "application/avro",
    }
    return [(name, value.encode()) for name, value in attributes.items()]


@dataclass(frozen=True, slots=True)
class _Writer:
    """One schema that values may have been written with."""

    schema: Any
    strict: Strict


class Codec:
    """Encodes with the present schemas; decodes what they or named older ones wrote.

    ids: the schema id of each record's present schema. writers: further schema ids with the
    schema's text, whose record must be one of `ids` (ValueError otherwise); a reader resolves them
    to the present schema.
    """

    def __init__(self, ids: Mapping[str, int], writers: Mapping[int, str] | None = None) -> None:
        self._ids = dict(ids)
        self._present = {record: _writer(schema_text(record)) for record in ids}
        self._known = {
            (record, schema_id): self._present[record] for record, schema_id in ids.items()
        }
        self._build = {
            record: builder(writer.schema, {}) for record, writer in self._present.items()
        }
        older: dict[str, list[tuple[int, str]]] = {record: [] for record in ids}
        for schema_id, text in (writers or {}).items():
            writer = _writer(text)
            record = writer.schema["name"].rpartition(".")[2]
            if record not in self._ids:
                raise ValueError(
                    f"schema {schema_id} is of {record}, which this codec does not read"
                )
            self._known.setdefault((record, schema_id), writer)
            older[record].append((schema_id, text))
        self._older = {record: tuple(texts) for record, texts in older.items()}
        self._known_ids = {schema_id for _, schema_id in self._known}

    def knows(self, schema_id: int) -> bool:
        return schema_id in self._known_ids

    def schema_id(self, record: str) -> int:
        """The id that `encode` writes."""
        return self._ids[record]

    def older(self, record: str) -> tuple[tuple[int, str], ...]:
        """The id and the text of each further schema that values of a record are read with."""
        return self._older[record]

    def written_with(self, record: str, value: bytes) -> Any:
        """The schema, as JSON reads it, that a value says it was written with. Raises DecodeError
        for none that is known.
        """
        schema_id, _ = unframe(value)
        writer = self._known.get((record, schema_id))
        if writer is None:
            raise DecodeError(
                Reason.UNKNOWN_SCHEMA, f"schema {schema_id} is not a known schema of {record}"
            )
        return writer.schema

    def encode(self, record: Record) -> bytes:
        """The framed value of a dataclass of schemas/records."""
        name = type(record).__name__
        buffer = BytesIO(header(self._ids[name]))
        buffer.seek(HEADER_BYTES)
        fastavro.schemaless_writer(buffer, self._present[name].schema, datum(record))
        return buffer.getvalue()

    def decode(self, record_name: str, value: bytes | None, own: bool = False) -> Record:
        """The dataclass of a framed value. Raises DecodeError, as `read` does."""
        decoded: Record = self._build[record_name](self.read(record_name, value, own))
        return decoded

    def read(self, record_name: str, value: bytes | None, own: bool = False) -> dict[str, Any]:
        """The fields of a framed value by their Avro names, moments as int ms, enums as str.

        Raises DecodeError TOMBSTONE, TOO_LARGE, NOT_FRAMED, UNKNOWN_SCHEMA, TRUNCATED,
        TRAILING_BYTES, BAD_UTF8 or UNDECODABLE. own: `encode` wrote it, so what only strangers do
        is not looked for; it takes half of the time.
        """
        if value is None:
            raise DecodeError(Reason.TOMBSTONE, "no value")
        if len(value) > MAX_BYTES and record_name in _FOREIGN and not own:
            raise DecodeError(Reason.TOO_LARGE, f"{len(value)} bytes, more than {MAX_BYTES}")
        schema_id, body = unframe(value)
        writer = self._known.get((record_name, schema_id))
        if writer is None:
            raise DecodeError(
                Reason.UNKNOWN_SCHEMA, f"schema {schema_id} is not a known schema of {record_name}"
            )
        if not own:
            writer.strict.check(body)
        present = self._present[record_name].schema
        reader = None if writer.schema is present else present
        try:
            read: Any = fastavro.schemaless_reader(BytesIO(body), writer.schema, reader)
        except _UNREADABLE as error:
            sentence = f"not readable as {record_name} with schema {schema_id}: {error}"
            raise DecodeError(Reason.UNDECODABLE, sentence) from error
        assert isinstance(read, dict), f"{record_name} is a record, not {type(read)}"
        return read


def _writer(text: str) -> _Writer:
    schema: Any = fastavro.parse_schema(plain_schema(text))
    return _Writer(schema, Strict(schema))


def datum(value: Any) -> Any:
    """A dataclass as fastavro takes it."""
    kind: type = type(value)
    if kind is tuple:
        return [item if type(item) in _PLAIN else datum(item) for item in value]
    names = _names(kind)
    if not names:
        return value
    return {
        avro: each if type(each := getattr(value, name)) in _PLAIN else datum(each)
        for name, avro in names
    }


def builder(schema: Any, named: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """The function that makes what fastavro gives into dataclasses, tuples and enums.

    named: the builders of the records and enums met so far, which Avro defines at their first use.
    """
    match schema:
        case str():
            return named.get(schema, _same)
        case ["null", other]:
            build = builder(other, named)
            return lambda value: None if value is None else build(value)
        case {"type": "array", "items": items}:
            build = builder(items, named)
            return lambda value: tuple(map(build, value))
        case {"type": "enum", "name": name}:
            named[name] = named_class(name)
            return named[name]
        case {"type": "record", "name": name, "fields": parts}:
            record = named_class(name)
            builders = [
                (part["name"], _python_name(part["name"]), builder(part["type"], named))
                for part in parts
            ]
            named[name] = lambda value: record(
                **{python: build(value[avro]) for avro, python, build in builders}
            )
            return named[name]
    return _same  # a map of plain values, or a long that was a moment


def named_class(avro_name: str) -> Any:
    """The dataclass or enum of a named type, with or without its namespace; AttributeError where
    there is none.
    """
    name = avro_name.rpartition(".")[2]
    return getattr(records, name)


def _python_name(avro_name: str) -> str:
    return f"{avro_name}_" if iskeyword(avro_name) else avro_name


@cache
def _names(kind: type) -> tuple[tuple[str, str], ...]:
    """(dataclass field, Avro field) pairs; none of what is no dataclass."""
    if not is_dataclass(kind):
        return ()
    names = (each.name for each in fields(kind))
    return tuple((name, name[:-1] if iskeyword(name[:-1]) else name) for name in names)


def _same(value: Any) -> Any:
    return value
