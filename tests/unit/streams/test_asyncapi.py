"""The AsyncAPI document that the project ships is the one of its topics and schemas, and a valid
one.

asyncapi-3.0.0.json.xz is the JSON schema of AsyncAPI 3.0.0, unchanged but for the compression, from
the npm package @asyncapi/specs 6.11.1 (schemas/3.0.0.json; Apache-2.0, copyright 2016-2025 AsyncAPI
Initiative).
"""

import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastavro import parse_schema
from jsonschema import Draft7Validator
from pydantic import SecretStr

from schemas.catalog import (
    BROADCASTS,
    COMMANDS,
    INPUTS,
    RECORDS,
    REDRIVES,
    TOPICS,
    plain_schema,
    schema_text,
)
from streams.operations.asyncapi.document import document, text_of
from streams.runtime.settings import Settings

ROOT = Path(__file__).parents[3]
SHIPPED: dict[str, Any] = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text(encoding="utf-8"))
DEFAULTS = Settings.model_construct()  # whatever the environment says


@cache
def validator() -> Draft7Validator:
    packed = Path(__file__).with_name("asyncapi-3.0.0.json.xz").read_bytes()
    return Draft7Validator(json.loads(lzma.decompress(packed)))


def referred(node: Any) -> set[str]:
    """Every $ref in a document."""
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(referred, node.values()))
    return set().union(*map(referred, node)) if isinstance(node, list) else set()


def found(reference: str) -> Any:
    """What a reference leads to, KeyError where it leads nowhere."""
    node: Any = SHIPPED
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_what_is_shipped_is_what_topics_and_schemas_give() -> None:
    text = (ROOT / "docs/asyncapi.yaml").read_text(encoding="utf-8")
    assert text == text_of(DEFAULTS), "run `mendstream asyncapi > docs/asyncapi.yaml`"


def test_it_is_valid_by_the_schema_of_asyncapi_3() -> None:
    assert [error.message for error in validator().iter_errors(SHIPPED)] == []
    name = next(iter(SHIPPED["operations"]))
    broken = {**SHIPPED, "operations": {name: {**SHIPPED["operations"][name], "action": "publish"}}}
    assert not validator().is_valid(broken), "the schema refuses nothing"


def test_every_reference_leads_somewhere() -> None:
    references = referred(SHIPPED)
    assert len(references) > len(TOPICS)
    for reference in references:
        assert found(reference)


def test_each_record_is_there_with_its_avro_schema() -> None:
    messages = SHIPPED["components"]["messages"]
    assert messages.keys() == {*RECORDS, "DeadLetter", "PolicyRow", "TrustLevelRow"}
    for record in RECORDS:
        schema = messages[record]["payload"]["schema"]
        assert schema == json.loads(schema_text(record))
        parse_schema(plain_schema(json.dumps(schema)))


def test_what_is_heard_and_said_is_said_of_each_program() -> None:
    told = {
        (name.split("-")[0], one["action"], one["channel"]["$ref"].removeprefix("#/channels/"))
        for name, one in SHIPPED["operations"].items()
    }
    assert {topic for who, does, topic in told if (who, does) == ("processor", "receive")} == {
        *INPUTS,
        *BROADCASTS,
    }
    written = {topic.name for topic in TOPICS.values() if topic.writer == "processor"}
    assert {topic for who, does, topic in told if (who, does) == ("processor", "send")} == written
    assert {("executor", "receive", topic) for topic in COMMANDS.values()} <= told
    assert ("executor", "send", "commands.status.v1") in told
    assert ("redriver", "send", REDRIVES) in told
    assert {"mendstream", "mendstream-executor", "mendstream-redrive"} == {
        one["bindings"]["kafka"]["groupId"]["const"]
        for one in SHIPPED["operations"].values()
        if "bindings" in one
    }


def test_the_key_of_each_topic_is_said() -> None:
    for message in SHIPPED["components"]["messages"].values():
        assert len(message["bindings"]["kafka"]["key"]["description"]) > len("Its id.")


def test_settings_show_and_secrets_do_not() -> None:
    settings = DEFAULTS.model_copy(
        update={
            "partitions": 12,
            "bootstrap": "kafka:9093",
            "security_protocol": "SASL_SSL",
            "sasl_password": SecretStr("hidden"),
            "registry_url": "https://user:hidden@registry",
            "registry_auth": SecretStr("user:hidden"),
        }
    )
    made = document(settings)
    assert [error.message for error in validator().iter_errors(made)] == []
    assert made["channels"]["policies.v1"]["bindings"]["kafka"]["partitions"] == 1
    assert made["channels"]["models.metrics.v1"]["bindings"]["kafka"]["partitions"] == 12
    assert made["servers"]["kafka"]["protocol"] == "kafka-secure"
    assert made["servers"]["kafka"]["security"] == [{"type": "scramSha512"}]
    assert made["servers"]["kafka"]["variables"]["bootstrap"]["default"] == "kafka:9093"
    assert "hidden" not in str(made)


@pytest.mark.parametrize("name", list(TOPICS))
def test_what_a_topic_is_configured_to_is_shown(name: str) -> None:
    kafka = SHIPPED["channels"][name]["bindings"]["kafka"]
    topic = TOPICS[name]
    assert kafka["topicConfiguration"]["cleanup.policy"] == [topic.cleanup]
    days = -1 if topic.retention_days is None else topic.retention_days * 86_400_000
    assert kafka["topicConfiguration"].get("retention.ms", days) == days
