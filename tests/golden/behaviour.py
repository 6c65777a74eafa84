"""What came of one recorded log, small enough to keep in the tree and plain enough to be compared.

Decisions and commands are kept in words, so that a difference says what is decided otherwise. All
bytes that were written (outputs, dead letters, rows) are kept as a digest by topic, so that nothing
else changes unseen.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from schemas.catalog import COMMANDS, TOPICS, Topic
from schemas.records import Command, Decision
from tests.support.builders import CODEC

_DIGITS = 12  # hexadecimal, of a SHA-256: 48 bits are enough where nobody attacks
_COMMAND_TOPICS = frozenset(COMMANDS.values())
Written = tuple[bytes | None, bytes | None]  # key and value


@dataclass(frozen=True)
class Behaviour:
    """What came of one log.

    name: of the log, unique. log: the digest of its input. decisions and commands: one line each,
    in the order in which they were written. written: the digest of what was written, by topic.
    """

    name: str
    log: str
    decisions: tuple[str, ...]
    commands: tuple[str, ...]
    written: dict[str, str]

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(line: str) -> "Behaviour":
        fields = json.loads(line)
        decisions, commands = tuple(fields.pop("decisions")), tuple(fields.pop("commands"))
        return Behaviour(**fields, decisions=decisions, commands=commands)

    @staticmethod
    def of(
        name: str, log: Iterable[bytes | None], written: Mapping[str, Sequence[Written]]
    ) -> "Behaviour":
        """The behaviour that the records written to each topic, in their order, show.

        written: by topic; of several partitions one after the other.
        """
        decisions, commands, digests = list[str](), list[str](), dict[str, str]()
        for place, records in sorted(written.items()):
            if not records:
                continue
            digests[place] = digest(part for key_and_value in records for part in key_and_value)
            topic = TOPICS.get(place)
            record = topic.record if topic else None
            if record == "Decision":
                decisions += [_describe_decision(value) for _, value in records if value]
            elif topic and topic.name in _COMMAND_TOPICS:
                commands += [_describe_command(topic, value) for _, value in records if value]
        return Behaviour(name, digest(log), tuple(decisions), tuple(commands), digests)


def digest(values: Iterable[bytes | None]) -> str:
    """A digest of values in their order; where one ends and the next begins counts too.

    >>> digest([b"ab"]) == digest([b"a", b"b"]), digest([b""]) == digest([None])
    (False, False)
    """
    whole = hashlib.sha256()
    for value in values:
        length = -1 if value is None else len(value)
        whole.update(length.to_bytes(8, "big", signed=True))
        whole.update(value or b"")
    return whole.hexdigest()[:_DIGITS]


def differences(recorded: Behaviour, found: Behaviour) -> list[str]:
    """How the behaviour found differs from the recorded one, the most telling first; empty where it
    does not.
    """
    if recorded.log != found.log:
        return [f"{found.name}: the log itself is another one: what generates it has changed"]
    told = _lines_that_differ(found.name, "decision", recorded.decisions, found.decisions)
    told += _lines_that_differ(found.name, "command", recorded.commands, found.commands)
    topics = sorted(recorded.written.keys() | found.written.keys())
    other = [topic for topic in topics if recorded.written.get(topic) != found.written.get(topic)]
    if other:
        told.append(f"{found.name}: other bytes in {', '.join(other)}")
    return told


def _lines_that_differ(
    name: str, kind: str, recorded: tuple[str, ...], found: tuple[str, ...]
) -> list[str]:
    missing, new = Counter(recorded) - Counter(found), Counter(found) - Counter(recorded)
    told = [f"{name}: {kind} is missing: {line}" for line in missing.elements()]
    told += [f"{name}: {kind} is new: {line}" for line in new.elements()]
    if not told and recorded != found:
        told.append(f"{name}: the {kind}s come in another order")
    return told


def _describe_decision(value: bytes) -> str:
    decision = CODEC.decode("Decision", value)
    assert isinstance(decision, Decision)
    offset = decision.evidence[-1].last_offset if decision.evidence else "-"
    about = [decision.experiment_id, decision.variant, decision.model_version, decision.metric]
    where = "/".join(part or "-" for part in (decision.subject, *about))
    return (
        f"{offset} {decision.verdict} {decision.order} {decision.outcome} {where} {decision.rule}"
    )


def _describe_command(topic: Topic, value: bytes) -> str:
    assert topic.record is not None
    command = CODEC.decode(topic.record, value)
    assert isinstance(command, Command)
    about = [command.experiment_id, command.variant, command.model_version, command.to_version]
    where = "/".join(part or "-" for part in (command.target, *about))
    return (
        f"{topic.record} {where} attempt {command.attempt} token {command.fencing_token} "
        f"{command.command_id}"
    )
