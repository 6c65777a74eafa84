"""What a deployer owes for one command: it verifies, decides whether to act, and words the answer.

Pure but for the file of ended commands: Kafka, threads and the handler are its callers' matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mendstream.client.ended_commands import EndedCommands
from mendstream.client.handling import DETAIL_MAX, CommandEnd
from mendstream.client.time_and_ids import now_ms
from mendstream.client.wire import Wire
from schemas.catalog import COMMANDS, TOPICS
from schemas.ids import event_uuid
from schemas.records import Command, CommandStatus, Status
from schemas.refusals import DecodeError

Headers = Iterable[tuple[str, bytes | str | None]]
# What verifying needs of a command; streams/signing/verifier.py has the same.
_VERIFIED = ("command_id", "attempt", "fencing_token", "issued_at", "expires_at", "subject")
_GENUINE = ("EXPIRED", "STALE_TOKEN")  # what is forged is not answered: it may bear a real id


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record of a command topic. topic: its name in the catalogue; at_kafka: the one there."""

    topic: str
    at_kafka: str
    key: bytes | str | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class NotObeyed:
    """A record that is not obeyed.

    reason: a code, as the verifier has it, or UNREADABLE. command: None where nothing could be
    read.
    """

    reason: str
    sentence: str
    command: Command | None = None

    @property
    def genuine(self) -> bool:
        """Whether it is the processor's own, and so is answered."""
        return self.reason in _GENUINE


@dataclass(frozen=True, slots=True)
class Work:
    """A command that is to be carried out."""

    command: Command


@dataclass(frozen=True, slots=True)
class Known:
    """A command that ended before, and is answered as it was."""

    command: Command
    ending: CommandEnd


class Gate:
    """Tells who may command: without keys anybody who can write to the topic.

    origin: the id of the Kafka cluster and the group of the processors that are obeyed.
    scheme_1_until_ms: from when on a signature of scheme 1 alone is refused; None: never.
    """

    def __init__(
        self,
        keys: str | Path | None,
        origin: tuple[str, str],
        scheme_1_until_ms: int | None = None,
    ) -> None:
        """Raises OSError for a file of keys that cannot be read, ValueError for one that is none,
        ImportError without `cryptography`.
        """
        self._keys: Any = None
        self._origin, self._until = origin, scheme_1_until_ms
        if keys is not None:
            from streams.signing import verifier  # needs cryptography, which who has no keys lacks

            self._verifier = verifier
            self._keys = verifier.load_keys(keys)

    def refusal(self, arrived: Arrived, command: Command, schema: Any) -> NotObeyed | None:
        """Why a command is not obeyed; None where it is."""
        now = now_ms()
        if self._keys is None:
            return _plain_refusal(arrived, command, now)
        fields = {name: getattr(command, name) for name in _VERIFIED}
        try:
            self._verifier.verify(
                arrived.at_kafka,
                arrived.key,
                arrived.value,
                arrived.headers,
                fields,
                self._keys,
                now,
                self._verifier.Origin(*self._origin),
                schema,
                self._until,
            )
        except self._verifier.Refused as refused:
            return NotObeyed(refused.reason, str(refused), command)
        return None


def _plain_refusal(arrived: Arrived, command: Command, now: int) -> NotObeyed | None:
    key = arrived.key.decode(errors="replace") if isinstance(arrived.key, bytes) else arrived.key
    if key != command.subject:
        return NotObeyed(
            "WRONG_KEY", f"its key is {key!r}, its subject {command.subject!r}", command
        )
    if now >= command.expires_at:
        late = now - command.expires_at
        sentence = f"it expired at {command.expires_at} ms, {late} ms ago"
        return NotObeyed("EXPIRED", sentence, command)
    return None


class Duties:
    """Decides on each record that arrives, and words what is reported. reporter: its name."""

    def __init__(self, wire: Wire, gate: Gate, ended: EndedCommands, reporter: str) -> None:
        self._wire, self._gate, self._ended, self._reporter = wire, gate, ended, reporter

    def take(self, arrived: Arrived) -> Work | Known | NotObeyed:
        """What is to be done about a record. Raises ClientError where the registry is away."""
        record = TOPICS[arrived.topic].record
        assert record is not None, f"{arrived.topic} holds commands"
        try:
            command, schema = self._wire.decode(record, arrived.value)
        except DecodeError as error:
            return NotObeyed("UNREADABLE", error.sentence)
        assert isinstance(command, Command), f"{record} is a command"
        if (refusal := self._gate.refusal(arrived, command, schema)) is not None:
            return refusal
        if (ending := self._ended.ending(command)) is not None:
            return Known(command, ending)
        if (newest := self._ended.stale(command)) is not None:
            sentence = (
                f"its token {command.fencing_token} for {command.target!r} is not newer than "
                f"{newest}"
            )
            return NotObeyed("STALE_TOKEN", sentence, command)
        return Work(command)

    def end(self, command: Command, ending: CommandEnd) -> CommandStatus:
        """Notes how a command ended; what is to be reported of it. Raises ClientError where it
        cannot be noted.
        """
        self._ended.note(command, ending)
        return self.status(command, ending)

    def status(self, command: Command, ending: CommandEnd, step: str = "") -> CommandStatus:
        """What is reported of a command; the same report has the same event id.

        step: tells several reports of one status apart.
        """
        return CommandStatus(
            event_id=event_uuid("status", command.command_id, command.attempt, ending.status, step),
            command_id=command.command_id,
            attempt=command.attempt,
            subject=command.subject,
            status=ending.status,
            fencing_token=command.fencing_token,
            detail=ending.detail[:DETAIL_MAX],
            reported_at=now_ms(),
            reporter=self._reporter,
            cause=ending.cause,
            made_version=ending.made_version,
        )

    def refused(self, command: Command, refusal: NotObeyed) -> CommandStatus:
        """What is reported of a genuine command that is refused."""
        return self.status(command, CommandEnd(Status.REFUSED, refusal.reason), refusal.reason)


def dry_run() -> CommandEnd:
    """The end of a command that only asks whether it would be obeyed."""
    return CommandEnd(Status.COMPLETED, "a dry run: nothing was changed")


RECORDS = {
    record: topic for topic in COMMANDS.values() if (record := TOPICS[topic].record) is not None
}
