"""Shows records to people and to programs: as JSON, moments as people read them."""

import json
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from confluent_kafka import Message

from schemas.catalog import DEAD_LETTERS, TOPICS
from schemas.codec.framing import Codec, unframe
from schemas.refusals import DecodeError
from streams.files.parsing import names_of
from streams.runtime.clock import utc
from streams.runtime.visible_text import clean, is_visible

_MOMENTS = ("_at", "from", "now")


def plain(value: Any) -> Any:
    """A record as JSON knows it: enums as symbols, bytes as text, fields under their written
    names.
    """
    if isinstance(value, Enum):
        return str(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, field)) for name, field in names_of(type(value)).items()}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return text(value) if isinstance(value, bytes) else value


def moment(ms: int) -> str:
    return utc(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def short_moment(ms: int) -> str:
    shown: datetime = utc(ms)
    return shown.strftime("%Y-%m-%d %H:%M:%S")


def message(record: Message, codec: Codec) -> dict[str, Any]:
    """A record of a topic as it was found; what cannot be decoded says why."""
    topic = record.topic() or ""
    shown: dict[str, Any] = {
        "topic": topic,
        "partition": record.partition(),
        "offset": record.offset(),
        "at": moment(record.timestamp()[1]),
        "key": text(record.key()),
    }
    value = record.value()
    if topic == DEAD_LETTERS:
        return shown | {"headers": _headers(record), "value": text(value)}
    name = TOPICS[topic].record
    assert name is not None, f"{topic} holds no record of ours"
    if value is None:
        return shown | {"value": None}
    try:
        return shown | {"value": plain(codec.decode(name, value))}
    except DecodeError as error:
        return (
            shown
            | {"problem": f"{error.reason}: {error.sentence}", "value": text(value)}
            | _schema(value, codec)
        )


def line(shown: dict[str, Any]) -> str:
    """JSON on one line; what a terminal would obey or hide stands in JSON's own escapes, which mean
    the same.
    """
    text = json.dumps(shown, ensure_ascii=False)
    return (
        text
        if is_visible(text)
        else "".join(c if is_visible(c) else json.dumps(c)[1:-1] for c in text)
    )


def cell(name: str, value: Any) -> str:
    """A field in a table for people, on one line."""
    return clean(_cell(name, value))


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.endswith(_MOMENTS) and isinstance(value, int):
        return short_moment(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if is_dataclass(value) or isinstance(value, tuple | dict):
        return brief(value)
    return str(value)


def brief(value: Any) -> str:
    """A nested value in a few words."""
    if is_dataclass(value) and not isinstance(value, type):
        return " ".join(cell(each.name, getattr(value, each.name)) for each in fields(value)[:3])
    if isinstance(value, tuple):
        return ", ".join(brief(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return cell("", value)


def _headers(record: Message) -> dict[str, str | None]:
    headers: Any = record.headers() or ()
    return {name: text(value) for name, value in headers}


def _schema(value: bytes, codec: Codec) -> dict[str, Any]:
    try:
        schema_id, _ = unframe(value)
    except DecodeError:
        return {}
    return {} if codec.knows(schema_id) else {"unknown_schema_id": schema_id}


def text(value: bytes | None) -> str | None:
    """Bytes as text; what is not UTF-8, and what a terminal would obey, is escaped."""
    if value is None:
        return None
    return clean(value.decode("utf-8", "backslashreplace"), keep="\n\t")
