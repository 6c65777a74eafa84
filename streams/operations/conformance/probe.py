"""Plays the processor to a deployer under trial: writes commands as it would, or as a thief would,
and hears the reports.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from confluent_kafka import TopicPartition

from schemas.catalog import COMMANDS, STATUS
from schemas.codec.framing import Codec, cloud_event_headers
from schemas.ids import event_uuid, partition_of
from schemas.records import Command, CommandStatus, RollbackCommand, Status
from schemas.refusals import DecodeError
from streams.kafka.backend import backend_of
from streams.kafka.reading import admin, committed_reader, end_offsets
from streams.runtime.clock import monotonic, now_ms
from streams.runtime.settings import Settings
from streams.signing.signer import Signer

ENDS = (Status.COMPLETED, Status.FAILED, Status.REFUSED)
HOUR_MS = 3_600_000
_LOOK_SECONDS = 0.1
Headers = list[tuple[str, bytes]]


class Probe:
    """One trial: a subject and target of its own, whose tokens grow with each command that is
    made.
    """

    def __init__(
        self,
        settings: Settings,
        codec: Codec,
        signer: Signer | None,
        subject: str,
        seconds: float,
        effects: Callable[[], list[str]] | None = None,
    ) -> None:
        """signer: who signs, None for a deployer that does not verify; seconds: what a deployer may
        take to end a command.

        effects: the command_id of each change at the targets so far; None: they cannot be seen.
        """
        self.signer, self.seconds = signer, seconds
        self._settings, self._codec, self._subject, self._effects = (
            settings,
            codec,
            subject,
            effects,
        )
        self._sent: dict[str, Command] = {}
        self._number = 0
        transactional = {
            "transactional.id": f"conformance-{subject}",
            "partitioner": "murmur2_random",
        }
        self._producer = backend_of(settings).producer(settings.client(**transactional))
        self._producer.init_transactions(30.0)
        self._reports: dict[str, list[CommandStatus]] = defaultdict(list)
        parts = [TopicPartition(STATUS, partition) for partition in range(settings.partitions)]
        ends = end_offsets(admin(settings), parts)
        self._consumer = committed_reader(settings, group=f"conformance-{subject}")
        self._consumer.assign(
            [TopicPartition(part.topic, part.partition, ends[part]) for part in parts]
        )

    def command(self, **fields: Any) -> RollbackCommand:
        """A rollback that nobody has sent yet, with the newest token of the target."""
        self._number += 1
        base = RollbackCommand(
            command_id=event_uuid("conformance", self._subject, self._number),
            subject=self._subject,
            target=f"{self._subject}/production",
            variant="candidate",
            model_version="candidate",
            to_version="baseline",
            reason="a trial of the deployer: nothing is wrong",
            evidence=(),
            decision_id=event_uuid("conformance", self._subject),
            fencing_token=self._number,
            issued_at=now_ms(),
            expires_at=now_ms() + HOUR_MS,
        )
        return replace(base, **fields)

    def send(
        self,
        command: Command,
        changed: Callable[[bytes, Headers], tuple[bytes, Headers]] | None = None,
        key: str | None = None,
        abort: bool = False,
    ) -> None:
        """Writes a command in a transaction. changed: what a thief makes of the signed value and
        headers; key: in place of the subject; abort: the transaction.
        """
        self._sent[command.command_id] = command
        topic, value = COMMANDS["ROLLBACK"], self._codec.encode(command)
        kind = f"mendstream.{type(command).__name__}.v1"
        event = event_uuid("conformance event", command.command_id, command.attempt)
        headers = cloud_event_headers(
            kind, event, "mendstream/conformance", command.issued_at, command.subject
        )
        if self.signer is not None:
            headers += self.signer.headers(topic, command.subject, value, command)
        if changed is not None:
            value, headers = changed(value, headers)
        sent: list[tuple[str, str | bytes | None]] = [*headers]
        self._producer.begin_transaction()
        partition = partition_of(command.subject, self._settings.partitions)
        self._producer.produce(topic, value, key or command.subject, partition, headers=sent)
        self._producer.flush(self.seconds)
        if abort:
            self._producer.abort_transaction(self.seconds)
        else:
            self._producer.commit_transaction(self.seconds)

    def reports(self, command: Command) -> list[CommandStatus]:
        """Returns the statuses of this attempt so far."""
        return [one for one in self._reports[command.command_id] if one.attempt == command.attempt]

    def said(self, command: Command) -> set[Status]:
        return {one.status for one in self.reports(command)}

    def ended(self, command: Command) -> bool:
        """Waits until the deployer has said how this attempt ended; whether it has."""
        return self.until(lambda: bool(self.said(command) & set(ENDS)))

    def passed(self) -> bool:
        """Returns True if the deployer has got beyond everything that was sent so far.

        One more command shows it: the deployer carries it out.
        """
        last = self.command()
        self.send(last)
        return self.ended(last)

    def until(self, condition: Callable[[], bool]) -> bool:
        deadline = monotonic() + self.seconds
        while not condition():
            if monotonic() > deadline:
                return False
            self._hear()
        return True

    def wrong_effects(self, crashed: bool) -> str | None:
        """Returns what is wrong with the changes at the targets since the last call; None if
        nothing is.

        There must be one change for each command that was completed. crashed: the deployer was
        killed, and where a target does not compare and set it may have acted twice.
        """
        sent, self._sent = self._sent, {}
        if self._effects is None:
            return None
        count = Counter(self._effects())
        for command_id in sent:
            completed = any(one.status == Status.COMPLETED for one in self._reports[command_id])
            most = 2 if crashed else 1
            if not completed <= count[command_id] <= completed * most:
                done = "completed" if completed else "not completed"
                return f"a command that was {done} was carried out {count[command_id]} times"
        return None

    def close(self) -> None:
        self._consumer.close()

    def _hear(self) -> None:
        for message in self._consumer.consume(100, _LOOK_SECONDS):
            if message.error() is not None:
                continue
            try:
                status = self._codec.decode("CommandStatus", message.value())
            except DecodeError:
                continue  # of somebody else: what is never heard is found missing
            assert isinstance(status, CommandStatus), "statuses are of one record"
            self._reports[status.command_id].append(status)
