"""A signature of scheme 2 says what a command means: no owner of a Schema Registry or another Kafka
can turn it round.
"""

import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import fastavro
import pytest
from fastavro.schema import fingerprint as their_fingerprint
from fastavro.schema import to_parsing_canonical_form
from hypothesis import given
from hypothesis import strategies as st

from agents.core.effects import Output
from schemas.catalog import COMMANDS, RECORDS, local_ids, schema_text
from schemas.codec.framing import HEADER_BYTES, Codec
from schemas.records import RollbackCommand
from streams.engine.outbox import Emitter
from streams.engine.transaction import Outbox
from streams.executor.signature_gate import gate_of, until_ms
from streams.runtime.errors import MendstreamError
from streams.signing.signer import Scheme, Signer
from streams.signing.verifier import (
    KEY_ID,
    SIGNATURE,
    SIGNATURE_2,
    Origin,
    Refused,
    fingerprint,
    verify,
)
from tests.support.builders import CODEC, NOON, ONE
from tests.support.signed import KEY, trusted
from tests.support.signed import ROLLBACK as SIGNED_ROLLBACK

HOME = Origin("cluster-1", "mendstream")
TOPIC = COMMANDS["ROLLBACK"]
SCHEMA = json.loads(schema_text("RollbackCommand"))
ROLLBACK = replace(SIGNED_ROLLBACK, model_version="v2", to_version="v1")


def signed(
    scheme: Scheme = "both", origin: Origin | None = HOME
) -> tuple[bytes, list[tuple[str, Any]]]:
    """Value and headers of a rollback as the emitter writes them."""
    outbox = Outbox()
    output = Output(TOPIC, ROLLBACK.subject, "event", ROLLBACK, NOON)
    Emitter(CODEC, "mendstream/test", ONE, Signer(KEY, origin, scheme)).output(output, outbox)
    ((_, _, _, value, headers),) = outbox.records
    assert value is not None
    return value, [*headers]


def refused(
    value: bytes,
    headers: list[tuple[str, Any]],
    schema: Any = SCHEMA,
    origin: Origin | None = HOME,
    **more: Any,
) -> str:
    """Why a deployer that decodes with a schema refuses what came; empty where it does not."""
    command: Any = fastavro.schemaless_reader(BytesIO(value[HEADER_BYTES:]), schema, None)
    try:
        verify(
            TOPIC,
            ROLLBACK.subject,
            value,
            headers,
            command,
            trusted(),
            NOON,
            origin,
            schema,
            **more,
        )
    except Refused as fault:
        return fault.reason
    return ""


def turned() -> dict[str, Any]:
    """The schema that an owner of the registry puts in the place of ours: what is harmed and what
    is asked swap places.
    """
    other = json.loads(schema_text("RollbackCommand"))
    first, second = (
        each for each in other["fields"] if each["name"] in ("model_version", "to_version")
    )
    first["name"], second["name"] = second["name"], first["name"]
    return dict(other)


def without(headers: list[tuple[str, Any]], *names: str) -> list[tuple[str, Any]]:
    return [(name, text) for name, text in headers if name not in names]


def test_a_command_turned_round_by_its_schema_is_refused() -> None:
    value, headers = signed()
    command: Any = fastavro.schemaless_reader(BytesIO(value[HEADER_BYTES:]), turned(), None)
    assert command["model_version"] == ROLLBACK.to_version, (
        "the bytes say the contrary under another schema"
    )
    assert refused(value, headers) == ""
    assert refused(value, headers, turned()) == "BAD_SIGNATURE"
    assert refused(value, headers, turned(), origin=None) == "", "scheme 1 could not tell"


def test_the_executors_gate_verifies_the_schema_that_it_decodes_with() -> None:
    value, headers = signed()
    registry = Codec(
        {**local_ids(), "RollbackCommand": 77},
        {CODEC.schema_id("RollbackCommand"): json.dumps(turned())},
    )
    reasons = []
    for codec in (CODEC, registry):
        command = codec.decode("RollbackCommand", value)
        assert isinstance(command, RollbackCommand)
        refusal = gate_of(trusted(), codec, HOME)(
            TOPIC, ROLLBACK.subject.encode(), value, headers, command
        )
        reasons.append((command.model_version, command.to_version, refusal and refusal.reason))
    assert reasons == [("v2", "v1", None), ("v1", "v2", "BAD_SIGNATURE")]


@pytest.mark.parametrize(
    "other", [Origin("cluster-2", "mendstream"), Origin("cluster-1", "mendstream-test")]
)
def test_a_command_of_another_cluster_or_group_is_refused(other: Origin) -> None:
    assert refused(*signed(origin=other)) == "BAD_SIGNATURE"
    assert refused(*signed(origin=other), origin=other) == ""


@pytest.mark.parametrize(
    ("scheme", "origin", "until", "reason"),
    [
        ("1", None, None, ""),  # before: nobody knows of scheme 2
        ("1", HOME, None, ""),  # verifiers first
        ("both", None, None, ""),
        ("both", HOME, None, ""),  # signers second
        ("both", HOME, NOON, ""),
        ("2", HOME, None, ""),  # last of all, when all verify scheme 2
        ("2", HOME, NOON, ""),
        ("2", None, None, "UNSIGNED"),
        ("1", HOME, NOON + 1, ""),
        ("1", HOME, NOON, "UNSIGNED"),  # after the stated time
    ],
)
def test_scheme_2_is_rolled_out_verifiers_first(
    scheme: Scheme, origin: Origin | None, until: int | None, reason: str
) -> None:
    assert refused(*signed(scheme), origin=origin, scheme_1_until_ms=until) == reason


def test_scheme_2_cannot_be_stripped_once_scheme_1_has_ended() -> None:
    value, headers = signed("both")
    assert refused(value, without(headers, SIGNATURE_2), scheme_1_until_ms=NOON) == "UNSIGNED"
    assert refused(value, without(headers, SIGNATURE)) == ""
    twice = [*headers, (SIGNATURE_2, b"")]
    assert refused(value, twice) == "UNSIGNED"
    swapped = [
        (name, dict(headers)[SIGNATURE] if name == SIGNATURE_2 else text) for name, text in headers
    ]
    assert refused(value, swapped) == "BAD_SIGNATURE", (
        "the schemes' signatures do not stand for each other"
    )


def test_without_an_origin_only_scheme_1_is_signed() -> None:
    assert [name for name, _ in signed("2", origin=None)[1]][-2:] == [KEY_ID, SIGNATURE]


@pytest.mark.parametrize("record", RECORDS)
def test_a_fingerprint_is_that_of_avros_canonical_form(record: str) -> None:
    text = schema_text(record)
    canonical = to_parsing_canonical_form(fastavro.parse_schema(json.loads(text)))
    assert fingerprint(text) == their_fingerprint(canonical, "SHA-256")
    assert fingerprint(text) == fingerprint(json.loads(text))


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True)
SIMPLE = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "bytes", "string"])
TYPES = st.recursive(
    SIMPLE
    | st.fixed_dictionaries({"type": st.just("long"), "logicalType": st.just("timestamp-millis")}),
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries({"type": st.just("map"), "values": inner})
    ),
    max_leaves=4,
)


@given(
    st.dictionaries(NAMES, TYPES, max_size=4), st.sampled_from([None, "a.b"]), st.text(max_size=5)
)
def test_any_schemas_fingerprint_is_that_of_avros_canonical_form(
    kinds: dict[str, Any], namespace: str | None, doc: str
) -> None:
    listed = [{"name": name, "type": kind, "doc": doc} for name, kind in kinds.items()]
    listed.append(
        {
            "name": "again_",
            "type": ["null", {"type": "enum", "name": "E", "symbols": ["X"]}],
            "default": None,
        }
    )
    listed.append({"name": "same_", "type": ["null", "E"]})
    schema = {"type": "record", "name": "R", "fields": listed} | (
        {"namespace": namespace} if namespace else {}
    )
    canonical = to_parsing_canonical_form(fastavro.parse_schema(schema))
    assert fingerprint(schema) == their_fingerprint(canonical, "SHA-256")


def test_the_end_of_scheme_1_is_a_moment() -> None:
    assert until_ms("") is None
    assert until_ms("2023-11-14T22:13:20Z") == until_ms("2023-11-14T22:13:20") == NOON
    with pytest.raises(MendstreamError, match="which is no moment"):
        until_ms("soon")
