"""The messages: each record as it is on the wire, its key and its headers."""

import json
import re
from typing import Any

from schemas.catalog import COMMANDS, DEAD_LETTERS, JOURNAL, TICKS, Topic, schema_text
from schemas.codec.framing import cloud_event_headers
from streams.kafka.dead_letters import NAMES, REASON
from streams.signing.verifier import KEY_ID, SIGNATURE

BINDING = "0.5.0"  # of AsyncAPI's bindings for Kafka
_AVRO = "application/vnd.apache.avro;version=1.9.0"
_ALSO_THE_KEY = re.compile(r"[Aa]lso the record's key")
_KEYS = {
    "Tick": "The number of the partition.",
    "JournalEntry": "The number of the partition.",
    "Policy": "Its policy_id.",
    "Redrive": "The number of the partition of the letters.",
}


def name_of(topic: Topic) -> str:
    """The record's name; of a row that is the record of another topic, with its own key, one of its
    own.
    """
    if topic.record is None:
        return "DeadLetter"
    row = topic.name.startswith("tables.") and not topic.record.endswith("Row")
    return f"{topic.record}Row" if row else topic.record


def message_of(topic: Topic) -> dict[str, Any]:
    name = name_of(topic)
    key = {"key": {"type": "string", "description": key_of(topic)}}
    if topic.record is None:
        return {
            "name": name,
            "title": name,
            "summary": "A record that could not be used, with its own key, value and headers, and "
            "beside them why and whence.",
            "contentType": "application/octet-stream",
            "headers": _headers({header: {"type": "string"} for header in (*NAMES, REASON)}),
            "bindings": {"kafka": {**key, "bindingVersion": BINDING}},
        }
    schema = json.loads(schema_text(topic.record))
    message: dict[str, Any] = {"name": name, "title": name}
    if "doc" in schema:
        message["summary"] = schema["doc"]
    message["contentType"] = "application/avro"
    if is_cloud_event(topic):
        signed = (
            {KEY_ID: {"type": "string"}, SIGNATURE: {"type": "string"}}
            if topic.name in COMMANDS.values()
            else {}
        )
        message["headers"] = _headers(_cloud_event(name), signed)
    message["payload"] = {"schemaFormat": _AVRO, "schema": schema}
    message["bindings"] = {
        "kafka": {
            **key,
            "schemaIdLocation": "payload",
            "schemaIdPayloadEncoding": "confluent",
            "schemaLookupStrategy": "TopicNameStrategy",
            "bindingVersion": BINDING,
        }
    }
    return message


def is_cloud_event(topic: Topic) -> bool:
    """Returns True if records of the topic carry CloudEvents' headers.

    These are what the processor publishes, but for rows, journal and ticks, which are many.
    """
    rows = topic.name.startswith("tables.") or topic.name in (JOURNAL, TICKS, DEAD_LETTERS)
    return topic.writer == "processor" and not rows


def _cloud_event(record: str) -> dict[str, Any]:
    """The headers as they are written; what does not depend on the event is a constant."""
    constant = {"ce_specversion", "ce_type", "content-type"}
    written = cloud_event_headers(f"mendstream.{record}.v1", "", "", 0, "")
    properties: dict[str, Any] = {
        name: {"type": "string", "const": text.decode()} if name in constant else {"type": "string"}
        for name, text in written
    }
    properties["ce_time"]["format"] = "date-time"
    return properties


def _headers(always: dict[str, Any], perhaps: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": always | (perhaps or {}), "required": list(always)}


def key_of(topic: Topic) -> str:
    """Returns a sentence that says what the key of a record is."""
    if topic.name.startswith("tables."):
        return "The names that tell the row from others, | between them."
    if topic.record is None:
        return "As the record came."
    for field in json.loads(schema_text(topic.record))["fields"]:
        if _ALSO_THE_KEY.search(field.get("doc", "")):
            return f"Its {field['name']}: {field['doc']}"
    return _KEYS[topic.record]
