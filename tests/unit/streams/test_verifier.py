"""What a deployer refuses: whatever is not, byte for byte, what a trusted key signed, or comes too
late.
"""

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalog import COMMANDS, TOPICS, schema_text
from schemas.codec.framing import HEADER_BYTES
from schemas.records import Command, DeployCommand, ImproveCommand, RetrainCommand
from streams.signing import verifier
from streams.signing.signer import public_line
from streams.signing.verifier import (
    KEY_ID,
    SIGNATURE,
    SIGNED,
    TAG,
    TYPE,
    TYPES,
    Refused,
    load_keys,
    signed_bytes,
)
from tests.support.builders import NOON
from tests.support.signed import KEY, OTHER, ROLLBACK, Sent, refusal, sent, trusted

COMMON = {name: getattr(ROLLBACK, name) for name in Command.__dataclass_fields__}
ORDERS: dict[str, Command] = {
    "ROLLBACK": ROLLBACK,
    "DEPLOY": DeployCommand(**COMMON),
    "RETRAIN": RetrainCommand(**COMMON),
    "IMPROVE": ImproveCommand(**COMMON),
}
GOOD = sent()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FIELDS = st.tuples(
    TEXT, TEXT, st.binary(max_size=20), TEXT, *[st.integers()] * 4, st.binary(max_size=20)
)


def as_bytes(fields: tuple[Any, ...]) -> bytes:
    record_type, topic, key, *said, value = fields
    return signed_bytes(record_type, topic, key, dict(zip(SIGNED, said, strict=True)), value)


@pytest.mark.parametrize("order", ORDERS)
def test_each_type_of_command_is_accepted_as_it_was_written(order: str) -> None:
    record = sent(ORDERS[order], order)
    assert refusal(record) == ""
    # As a deployer decodes it that follows the schema: moments are datetimes.
    schema = json.loads(schema_text(type(ORDERS[order]).__name__))
    decoded = fastavro.schemaless_reader(BytesIO(record.value[HEADER_BYTES:]), schema, None)
    assert isinstance(decoded, dict)
    assert not isinstance(decoded["issued_at"], int)
    assert refusal(replace(record, command=decoded)) == ""


def test_the_verifier_knows_the_topics_of_all_commands() -> None:
    assert {topic: TOPICS[topic].record for topic in COMMANDS.values()} == TYPES


@given(st.data())
def test_a_field_of_the_payload_that_was_changed_alone_is_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SIGNED))
    before = GOOD.command[name]
    kind: st.SearchStrategy[Any] = TEXT if isinstance(before, str) else st.integers()
    changed = data.draw(
        (kind | st.sampled_from([None, str(before)])).filter(lambda value: value != before)
    )
    assert refusal(GOOD.saying(**{name: changed})) == "BAD_SIGNATURE"


@given(st.data())
def test_a_byte_of_the_value_that_was_changed_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD.value) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != GOOD.value[at]))
    changed = GOOD.value[:at] + bytes([other]) + GOOD.value[at + 1 :]
    assert refusal(replace(GOOD, value=changed)) == "BAD_SIGNATURE"


@given(st.data())
def test_a_byte_of_the_signature_that_was_changed_is_refused(data: st.DataObject) -> None:
    (signature,) = [text for name, text in GOOD.headers if name == SIGNATURE]
    assert isinstance(signature, bytes)
    changed = bytearray(b64decode(signature))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    assert refusal(GOOD.headed(SIGNATURE, b64encode(changed))) == "BAD_SIGNATURE"


@given(FIELDS)
def test_what_is_signed_can_be_taken_apart_again_so_no_two_commands_share_it(
    fields: tuple[Any, ...],
) -> None:
    rest, parts = as_bytes(fields).removeprefix(TAG), []
    while rest:
        end = 4 + int.from_bytes(rest[:4], "big")
        parts.append(rest[4:end])
        rest = rest[end:]
    assert parts == [each if isinstance(each, bytes) else str(each).encode() for each in fields]


def test_the_signature_of_a_command_stays_what_it_is() -> None:
    """Deployers keep their copies of the verifier: other bytes need another tag, and a time when
    both are signed.
    """
    message = as_bytes(
        ("RollbackCommand", "commands.rollback.v1", b"bot", "id", 1, 2, 3, 4, b"\0value")
    )
    assert message == (
        b"mendstream-command-v1\0\0\0\x0fRollbackCommand\0\0\0\x14commands.rollback.v1\0\0\0\x03bot"
        b"\0\0\0\x02id\0\0\0\x011\0\0\0\x012\0\0\0\x013\0\0\0\x014\0\0\0\x06\0value"
    )
    assert dict(GOOD.headers)[KEY_ID] == b"56475aa75463474c"


def test_a_record_on_another_topic_is_refused() -> None:
    for topic in (*COMMANDS.values(), "decisions.v1", ""):
        moved = replace(GOOD, topic=topic)
        assert refusal(moved) == ("" if topic == GOOD.topic else "WRONG_TOPIC")
    retyped = replace(GOOD, topic=COMMANDS["DEPLOY"]).headed(TYPE, b"mendstream.DeployCommand.v1")
    assert refusal(retyped) == "BAD_SIGNATURE"
    assert refusal(GOOD.headed(TYPE, b"mendstream.DeployCommand.v1")) == "WRONG_TOPIC"


def test_a_record_under_another_key_is_refused() -> None:
    for key in (None, b"", b"bot", ROLLBACK.subject.encode() + b"\0"):
        assert refusal(replace(GOOD, key=key)) == "WRONG_KEY"
    assert refusal(replace(GOOD, key=b"bot").saying(subject="bot")) == "BAD_SIGNATURE"


def test_a_record_that_another_key_signed_is_refused() -> None:
    forged = sent(key=OTHER)
    assert refusal(forged) == "UNKNOWN_KEY"
    (known,) = trusted()
    assert refusal(forged.headed(KEY_ID, known.encode())) == "BAD_SIGNATURE"


@pytest.mark.parametrize("signature", [b"", b"AAAA", b"not base64!", b"\xff", bytes(64)])
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    assert refusal(GOOD.headed(SIGNATURE, signature)) == (
        "BAD_SIGNATURE" if signature else "UNSIGNED"
    )


@pytest.mark.parametrize(
    ("name", "reason"), [(KEY_ID, "UNSIGNED"), (SIGNATURE, "UNSIGNED"), (TYPE, "WRONG_TOPIC")]
)
def test_a_header_that_is_missing_or_there_twice_is_refused(name: str, reason: str) -> None:
    without = tuple(each for each in GOOD.headers if each[0] != name)
    for headers in (
        without,
        (*without, (name, None)),
        (*GOOD.headers, *[each for each in GOOD.headers if each[0] == name]),
    ):
        assert refusal(replace(GOOD, headers=headers)) == reason
    assert refusal(sent(key=None)) == "UNSIGNED"


def test_a_command_is_refused_from_the_moment_it_expires() -> None:
    assert refusal(GOOD, now_ms=ROLLBACK.expires_at - 1) == ""
    assert refusal(GOOD, now_ms=ROLLBACK.expires_at) == "EXPIRED"


def test_keys_are_rotated_by_trusting_both_for_a_while(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    old, new = public_line(KEY, "of last year"), public_line(OTHER, "")
    for lines, refusals in (
        ([old], ["", "UNKNOWN_KEY"]),
        (["# both", "", old, new], ["", ""]),
        ([new, f"#{old}"], ["UNKNOWN_KEY", ""]),
    ):
        file.write_text("\n".join(lines))
        assert [refusal(sent(key=key), load_keys(file)) for key in (KEY, OTHER)] == refusals


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no key"),
        ("# only words\n", "names no key"),
        ("\n56475aa75463474c\n", "line 2 is not `<key id> <base64"),
        ("56475aa75463474c AAAA\n", "line 1 is not `<key id> <base64"),
        (public_line(KEY, "mine").replace("=", "!="), "line 1 is not `<key id> <base64"),
        (
            public_line(KEY, "mine").replace("56475aa75463474c", "56475aa75463474d"),
            "line 1: the id of this key is 5647",
        ),
    ],
)
def test_a_file_of_keys_says_what_is_wrong_with_it(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text(text)
    with pytest.raises(ValueError, match=said):
        load_keys(tmp_path / "keys.txt")
    with pytest.raises(FileNotFoundError):
        load_keys(tmp_path / "none.txt")


def test_every_refusal_is_a_sentence_with_a_reason() -> None:
    unsigned = Sent(GOOD.topic, GOOD.key, GOOD.value, (), GOOD.command)
    with pytest.raises(Refused, match="does not carry one mendstream-key-id") as refused:
        verifier.verify(unsigned.topic, unsigned.key, None, None, unsigned.command, trusted(), NOON)
    assert refused.value.reason == "UNSIGNED"
