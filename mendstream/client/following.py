"""Follows the command topics: reads, has duties decide, reports, and commits what is answered.

One command is under way at a time. While it is, the consumer stays in its group with its partitions
paused, and the processor hears that the command goes on.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event, RLock
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from mendstream.client.connection import Connection
from mendstream.client.duties import RECORDS, Arrived, Duties, Gate, Known, NotObeyed, Work, dry_run
from mendstream.client.ended_commands import EndedCommands
from mendstream.client.exceptions import ClientError, sentence_of, told
from mendstream.client.handling import CommandEnd
from mendstream.client.send_queue import SendQueue, closed_in_the_end
from mendstream.client.time_and_ids import monotonic
from mendstream.client.wire import Wire
from schemas.catalog import COMMANDS, STATUS
from schemas.records import Command, CommandStatus, Status
from schemas.validation.status_checks import check_status

log = logging.getLogger("mendstream.client")

LOOK_SECONDS = 0.5  # how often somebody who waits looks whether to stop
REPORT_SECONDS = 60.0  # a status must be with Kafka by then, or following ends
UNDER_WAY_SECONDS = 900.0  # between reports of a long command; the processor asks for one an hour
OnRefused = Callable[[NotObeyed], None]
_FATAL = (
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
)
_MOVED_ON = (  # the partition is another member's: it hears of the command too
    KafkaError._STATE,
    KafkaError._NO_OFFSET,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
)


class CommandIntake:
    """The consumer of commands and the producer of statuses of one deployer."""

    def __init__(
        self,
        connection: Connection,
        state: str | Path,
        reporter: str,
        orders: Sequence[str],
        group: str | None,
        on_refused: OnRefused | None,
        check_seconds: float,
    ) -> None:
        if unknown := set(orders) - set(COMMANDS):
            raise ClientError(f"There are no orders {sorted(unknown)}: name some of {[*COMMANDS]}.")
        self._connection, self._on_refused = connection, on_refused
        self._topics = {connection.topic(COMMANDS[order]): COMMANDS[order] for order in orders}
        self._statuses = connection.topic(STATUS)
        records = {record: topic for record, topic in RECORDS.items() if topic in self._read()}
        self._wire = Wire(connection, records | {"CommandStatus": STATUS})
        self._ended, self._reporter = EndedCommands(state), reporter
        self._queue = SendQueue(connection, delivery_seconds=REPORT_SECONDS)
        closed_in_the_end(self, self._queue)
        for topic in (*self._topics, self._statuses):
            self._queue.require(topic, check_seconds)
        self._stopping, self._busy = Event(), False
        self._turn = RLock()  # a cancelled caller leaves a thread behind that still polls
        self._held: deque[Message] = deque()
        self._under_way: tuple[Message, Command] | None = None
        self._reported, self._step = 0.0, 0
        self._consumer = self._subscribed(group or connection.topic("deployer"))
        self.duties: Duties | None = None

    def open(
        self, keys: str | Path | None, obeys: str | None, until_ms: int | None, seconds: float
    ) -> None:
        """Learns whose commands are obeyed. Raises ClientError."""
        try:
            cluster = str(self._consumer.list_topics(timeout=seconds).cluster_id)
            origin = (cluster, obeys or self._connection.topic("mendstream"))
            gate = Gate(keys, origin, until_ms)
        except KafkaException as error:
            raise self._unreachable(error.args[0]) from error
        except (OSError, ValueError) as error:
            raise ClientError(f"The keys in {keys} cannot be used: {error}.") from error
        except ImportError as error:
            raise ClientError(
                "To verify signatures, `cryptography` is needed: pip install cryptography."
            ) from error
        if keys is None:
            log.warning(
                "no keys are given, so whoever can write to %s commands this deployer: give keys, "
                "as docs/security.md has it",
                ", ".join(self._topics),
            )
        self.duties = Duties(self._wire, gate, self._ended, self._reporter)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """Lets following end once the command that is under way has ended; from any thread."""
        self._stopping.set()

    def next(self, seconds: float = LOOK_SECONDS) -> Command | None:
        """The next command that is to be carried out; None where none came within so many seconds.

        What need not be carried out is answered here. Raises ClientError where Kafka refuses this
        program, or does not take a status.
        """
        with self._turn:
            return self._next(seconds)

    def _next(self, seconds: float) -> Command | None:
        message = self._held.popleft() if self._held else self._consumer.poll(seconds)
        if message is None or self._is_error(message):
            return None
        assert self.duties is not None, "it is open"
        arrived = self._arrived(message)
        taken = self.duties.take(arrived)
        if isinstance(taken, NotObeyed):
            self._refuse(taken, arrived, message)
        elif isinstance(taken, Known):
            self._report(self.duties.end(taken.command, taken.ending))
        elif taken.command.dry_run:
            self._report(self.duties.end(taken.command, dry_run()))
        else:
            return self._begun(taken, message)
        self._commit(message)
        return None

    def keep(self) -> None:
        """Called while a command is under way, twice a second: stays in the group, and says each
        quarter of an hour that the command goes on.
        """
        with self._turn:
            message = self._consumer.poll(0)
            if message is not None and not self._is_error(message):
                self._held.append(message)  # of a partition that was not paused yet
        if monotonic() - self._reported >= UNDER_WAY_SECONDS:
            self.report("it goes on")

    def report(
        self,
        detail: str = "",
        traffic_share: float | None = None,
        share_from: int | None = None,
        share_until: int | None = None,
    ) -> None:
        """Says IN_PROGRESS of the command that is under way. Raises ClientError where there is
        none, where the share makes no sense, or where Kafka does not take it.
        """
        if self._under_way is None:
            raise ClientError("No command is under way: report from within the handler.")
        assert self.duties is not None, "it is open"
        self._step += 1
        ending = CommandEnd(Status.IN_PROGRESS, detail)
        status = replace(
            self.duties.status(self._under_way[1], ending, f"under way {self._step}"),
            traffic_share=traffic_share,
            share_from=share_from,
            share_until=share_until,
        )
        for _, sentence in check_status(status):
            raise ClientError(f"{told(sentence)[:-1]}: nothing was reported.")
        self._report(status)

    def end(self, ending: CommandEnd) -> None:
        """Notes and reports how the command that is under way ended, then commits it."""
        assert self._under_way is not None, "a command is under way"
        assert self.duties is not None, "it is open"
        with self._turn:
            (message, command), self._under_way = self._under_way, None
            self._report(self.duties.end(command, ending))
            self._busy = False
            self._consumer.resume(self._consumer.assignment())
            self._commit(message)

    def close(self) -> None:
        """Leaves the group. What was not answered comes again."""
        with self._turn:
            self._consumer.close()
        self._queue.close()

    def _read(self) -> set[str]:
        return set(self._topics.values())

    def _subscribed(self, group: str) -> Consumer:
        consumer = Consumer(
            self._connection.client(
                {"session.timeout.ms": 10_000},
                {
                    "group.id": group,
                    "isolation.level": "read_committed",
                    "auto.offset.reset": "earliest",
                    "enable.auto.commit": False,
                    "error_cb": _said,
                },
            )
        )
        consumer.subscribe([*self._topics], on_assign=self._assigned)
        return consumer

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.assign(partitions)
        if self._busy:
            consumer.pause(partitions)

    def _arrived(self, message: Message) -> Arrived:
        at_kafka = message.topic() or ""
        headers: Any = message.headers() or []
        return Arrived(
            self._topics[at_kafka], at_kafka, message.key(), message.value(), tuple(headers)
        )

    def _begun(self, work: Work, message: Message) -> Command:
        assert self.duties is not None, "it is open"
        self._busy, self._step = True, 0
        self._consumer.pause(self._consumer.assignment())
        self._under_way = (message, work.command)
        self._report(self.duties.status(work.command, CommandEnd(Status.ACKNOWLEDGED)))
        return work.command

    def _refuse(self, refusal: NotObeyed, arrived: Arrived, message: Message) -> None:
        log.warning(
            "a record of %s is not obeyed (%s at partition %s, offset %s): %s",
            arrived.at_kafka,
            refusal.reason,
            message.partition(),
            message.offset(),
            refusal.sentence,
        )
        if refusal.genuine and refusal.command is not None:
            assert self.duties is not None, "it is open"
            self._report(self.duties.refused(refusal.command, refusal))
        if self._on_refused is not None:
            self._on_refused(refusal)

    def _report(self, status: CommandStatus) -> None:
        """Returns when Kafka has it. Raises ClientError where Kafka does not take it."""
        value = self._wire.encode(status)
        self._queue.send(status.event_id, self._statuses, status.subject, value, status)
        self._queue.flush(REPORT_SECONDS)
        self._reported = monotonic()

    def _commit(self, message: Message) -> None:
        try:
            self._consumer.commit(message=message, asynchronous=False)
        except KafkaException as error:
            fault = error.args[0]
            if fault.code() not in _MOVED_ON:
                raise self._unreachable(fault) from error
            log.warning(
                "%s/%s is another member's, which hears of the command at offset %s too",
                message.topic(),
                message.partition(),
                message.offset(),
            )

    def _is_error(self, message: Message) -> bool:
        """Whether a message is none. Raises ClientError where waiting would not help."""
        error = message.error()
        if error is None:
            return False
        if error.fatal() or error.code() in _FATAL:
            raise self._unreachable(error, message.topic())
        log.warning("Kafka says: %s", error.str())
        return True

    def _unreachable(self, error: KafkaError, topic: str | None = None) -> ClientError:
        which = topic or ", ".join(self._topics)
        return ClientError(told(sentence_of(error, self._connection, which)))


def _said(error: KafkaError) -> None:
    log.warning("Kafka says: %s", error.str())
