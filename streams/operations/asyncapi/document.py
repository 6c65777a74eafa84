"""The document: where Kafka is, the topics, and which program hears and says what."""

import re
from importlib.metadata import version
from typing import Any

import yaml

from schemas.catalog import (
    ALERTS,
    BROADCASTS,
    COMMANDS,
    DEAD_LETTERS,
    INPUTS,
    JOURNAL,
    TOPICS,
    Topic,
    Writer,
)
from streams.kafka.admin.acls import ROLES, RoleName, executor_group, redrive_group
from streams.kafka.admin.topics import partitions_of, settings_of
from streams.operations.asyncapi.messages import BINDING, message_of, name_of
from streams.runtime.settings import Settings

_SECURITY = {"PLAIN": "plain", "SCRAM-SHA-256": "scramSha256", "SCRAM-SHA-512": "scramSha512"}
_PROGRAMS: dict[RoleName, Writer] = {
    "processor": "processor",
    "executor": "deployer",
    "redriver": "redriver",
}
_NOTES = tuple(topic.name for topic in TOPICS.values() if topic.writer == "redriver")
_ABOUT = (
    "Mendstream judges A/B results and model metrics and orders rollback, deployment, retraining "
    "and improvement. A value is "
    "a record in Avro behind Confluent's framing: 0x00, the schema id as a big-endian int32, the "
    "body. Read with "
    "isolation.level=read_committed. Operations are those of its programs: the processor, the "
    "executor and `mendstream "
    "redrive`; what they bring back to a topic as it came (a stray sent to its partition, a letter "
    "redriven) is not listed."
)


def text_of(settings: Settings) -> str:
    """The document as YAML."""
    head = "# Made by `mendstream asyncapi`; do not edit.\n"
    return head + yaml.dump(
        document(settings),
        Dumper=_Plain,
        sort_keys=False,
        allow_unicode=True,
        width=120,
        default_flow_style=None,
    )


def document(settings: Settings) -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Mendstream",
            "version": version("mendstream"),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/avro",
        "servers": {"kafka": _server(settings)},
        "channels": {topic.name: _channel(topic, settings) for topic in TOPICS.values()},
        "operations": dict(sorted(_operations(settings).items())),
        "components": {
            "messages": {name_of(topic): message_of(topic) for topic in TOPICS.values()}
        },
    }


def _server(settings: Settings) -> dict[str, Any]:
    """Returns where Kafka is and how one shows who one is there; never with what."""
    protocol = settings.security_protocol
    kinds = [_SECURITY[settings.sasl_mechanism]] if protocol.startswith("SASL") else []
    if settings.ssl_certificate_location:
        kinds.append("X509")
    server: dict[str, Any] = {
        "host": "{bootstrap}",
        "protocol": "kafka-secure" if protocol.endswith("SSL") else "kafka",
        "description": "Kafka, at bootstrap servers of yours.",
        "variables": {
            "bootstrap": {"default": settings.bootstrap, "description": "host:port[,host:port]"}
        },
    }
    return server | ({"security": [{"type": kind} for kind in kinds]} if kinds else {})


def _channel(topic: Topic, settings: Settings) -> dict[str, Any]:
    name = name_of(topic)
    return {
        "address": settings.topic(topic.name),
        "summary": f"{name}, written by: {topic.writer}.",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "tags": [{"name": _kind(topic)}],
        "bindings": {
            "kafka": {
                "topic": settings.topic(topic.name),
                "partitions": partitions_of(topic, settings),
                "replicas": settings.replication,
                "topicConfiguration": {
                    name: _setting(name, text) for name, text in settings_of(topic).items()
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _kind(topic: Topic) -> str:
    """Returns what a topic is to those outside."""
    if topic.name in COMMANDS.values():
        return "command"
    if topic.name.startswith("tables."):
        return "table"
    if topic.writer not in ("processor", "redriver"):
        return "input"
    internal = (*INPUTS, *BROADCASTS, JOURNAL)
    return "internal" if topic.name in internal or topic.writer == "redriver" else "output"


def _setting(name: str, text: str) -> Any:
    if name == "cleanup.policy":
        return text.split(",")
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def _operations(settings: Settings) -> dict[str, Any]:
    """Returns what each program may read and write by its rights: inputs, and what it is the writer
    of.
    """
    groups = {
        "processor": settings.group,
        "executor": executor_group(settings.group),
        "redriver": redrive_group(settings.group),
    }
    found: dict[str, Any] = {}
    for role, writer in _PROGRAMS.items():
        for right in ROLES[role].rights(settings.group, groups[role]):
            topic = TOPICS.get(right.name) if right.kind == "TOPIC" else None
            if topic is None:
                continue
            if right.operation == "WRITE" and topic.writer == writer:
                found[f"{role}-sends-{topic.name}"] = _operation("send", topic, role)
            elif right.operation == "READ" and topic.name in _heard(role):
                group = {
                    "groupId": {"type": "string", "const": groups[role]},
                    "bindingVersion": BINDING,
                }
                # Broadcasts and notes are read whole by whoever needs them, so in no group.
                bound = (
                    {} if topic.name in (*BROADCASTS, *_NOTES) else {"bindings": {"kafka": group}}
                )
                found[f"{role}-receives-{topic.name}"] = _operation("receive", topic, role) | bound
    return found


def _heard(role: RoleName) -> tuple[str, ...]:
    """Returns what a program acts on; its own tables and journal it only reads back."""
    heard: dict[RoleName, tuple[str, ...]] = {
        "processor": (*INPUTS, *BROADCASTS),
        "executor": (*COMMANDS.values(), ALERTS),
        "redriver": (DEAD_LETTERS, *_NOTES),
    }
    return heard[role]


def _operation(action: str, topic: Topic, role: RoleName) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": f"The {role} {action}s {name_of(topic)}.",
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{name_of(topic)}"}],
        "tags": [{"name": role}],
    }


class _Plain(yaml.SafeDumper):
    """Writes out what is there twice, for readers that know no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
