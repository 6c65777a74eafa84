"""Reads every command that stands: (command_id, attempt) is there once, with one content."""

from hashlib import sha256

from confluent_kafka.admin import AdminClient

from schemas.catalog import COMMANDS, TOPICS
from schemas.codec.framing import Codec
from schemas.records import Command
from schemas.refusals import DecodeError
from streams.kafka.stored_records import messages
from streams.operations.audit.checks import Check
from streams.runtime.settings import Settings


def check_commands(settings: Settings, codec: Codec, client: AdminClient, check: Check) -> int:
    """Returns how many commands stand, in the four topics together."""
    first: dict[tuple[str, int], tuple[bytes, str]] = {}
    number = 0
    for message in messages(settings, client, COMMANDS.values(), range(settings.partitions)):
        number += 1
        topic, value = message.topic() or "", message.value() or b""
        where = f"{topic}/{message.partition()} offset {message.offset()}"
        name = TOPICS[topic].record
        assert name is not None
        try:
            command = codec.decode(name, message.value())
        except DecodeError as error:
            check.find(f"{where} cannot be read: {error.sentence}")
            continue
        assert isinstance(command, Command)
        content = sha256(topic.encode() + b"\0" + value).digest()
        before = first.setdefault((command.command_id, command.attempt), (content, where))
        if before[1] == where:
            continue
        how = "stands twice" if before[0] == content else "has two contents"
        check.find(
            f"command {command.command_id} attempt {command.attempt} {how}: at {before[1]} and at "
            f"{where}"
        )
    return number
