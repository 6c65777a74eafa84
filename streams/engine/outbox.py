"""Puts effects into the outbox of the next transaction: outputs, records sent on, dead letters."""

from collections import defaultdict
from collections.abc import Iterable

from confluent_kafka import Message

from agents.core.batch import Delivered, Slice
from agents.core.effects import Effects, Output
from agents.flow.ingress import FORWARDED_FROM
from schemas.catalog import BROADCASTS, COMMANDS, DEAD_LETTERS
from schemas.codec.framing import Codec, cloud_event_headers
from schemas.ids import partition_of
from schemas.records import Command, Decision, Transition
from schemas.refusals import RefusedRecord
from streams.engine.transaction import Outbox
from streams.kafka.dead_letters import ERRORS, LEFT_OUT, REASON
from streams.runtime.message_sizes import DEAD_LETTER_BYTES
from streams.runtime.metrics import COMMANDS as COMMANDS_ISSUED
from streams.runtime.metrics import DECISIONS, RECORDS, REFUSED, TRANSITIONS
from streams.signing.signer import Signer

_SPARE_BYTES = 65_536  # for our own headers and the batch around a dead letter


class Emitter:
    """Fills an outbox for each partition of the inputs, and counts what goes in."""

    def __init__(
        self, codec: Codec, source: str, partitions: int, signer: Signer | None = None
    ) -> None:
        """signer: of the commands; None leaves them unsigned."""
        self._outboxes: dict[int, Outbox] = defaultdict(Outbox)
        self._codec = codec
        self._source = source
        self._partitions = partitions
        self._signer = signer

    def take(self, partitions: Iterable[int]) -> Outbox:
        """Returns what followed so far from these partitions of the inputs, and begins anew for
        each.
        """
        taken = Outbox()
        for partition in partitions:
            taken.records += self._outboxes.pop(partition, Outbox()).records
        return taken

    def emit(self, piece: Slice, effects: Effects) -> None:
        outbox = self._outboxes[piece.partition]
        for output in effects.outputs:
            self.output(output, outbox)
        for forward in effects.forwards:
            record = piece.records[forward.index]
            origin = f"{piece.topic}/{piece.partition}/{record.offset()}".encode()
            headers = [*(record.headers() or ()), (FORWARDED_FROM, origin)]
            outbox.add(piece.topic, forward.partition, forward.subject, record.value(), headers)
        for refused in effects.refused:
            self.dead_letter(piece.topic, piece.partition, piece.records[refused.index], refused)
        fates = {
            "applied": effects.applied,
            "duplicate": effects.duplicates,
            "forwarded": len(effects.forwards),
            "dead_letter": len(effects.refused),
        }
        for fate, count in fates.items():
            if count:
                RECORDS.labels(piece.topic, fate).inc(count)

    def dead_letter(
        self, topic: str, partition: int, record: Delivered | Message, refused: RefusedRecord
    ) -> None:
        """The original key, value and headers, and beside them why and whence.

        What even a dead letter cannot hold stays where it lies: the letter says only why, whence
        and how large it is.
        """
        why = {
            "exception": f"mendstream.{refused.reason}",
            "message": refused.sentence,
            "stacktrace": "",
            "topic": topic,
            "partition": str(partition),
            "offset": str(record.offset()),
        }
        key, value = record.key(), record.value()
        headers: list[tuple[str, str | bytes | None]] = [*(record.headers() or ())]
        size = (
            len(key or b"")
            + len(value or b"")
            + sum(len(name) + len(text or b"") for name, text in headers)
        )
        if size > DEAD_LETTER_BYTES - _SPARE_BYTES:
            key, value, headers = None, None, [(LEFT_OUT, str(size).encode())]
        headers += [(ERRORS + name, text.encode()) for name, text in why.items()]
        headers.append((REASON, str(refused.reason).encode()))
        self._outboxes[partition].add(
            DEAD_LETTERS, partition % self._partitions, key, value, headers
        )
        REFUSED.labels(topic, refused.reason).inc()

    def output(self, output: Output, outbox: Outbox) -> None:
        record, name = output.record, type(output.record).__name__
        value = self._codec.encode(record)
        headers = cloud_event_headers(
            f"mendstream.{name}.v1", output.event_id, self._source, output.at, output.key
        )
        partition = 0 if output.topic in BROADCASTS else partition_of(output.key, self._partitions)
        if self._signer is not None and isinstance(record, Command):
            headers += self._signer.headers(output.topic, output.key, value, record)
        outbox.add(output.topic, partition, output.key, value, headers)
        if isinstance(record, Decision):
            DECISIONS.labels(record.verdict, record.outcome).inc()
        elif isinstance(record, Transition):
            TRANSITIONS.labels(record.order, record.event).inc()
        elif isinstance(record, Command):
            COMMANDS_ISSUED.labels(
                next(order for order, topic in COMMANDS.items() if topic == output.topic)
            ).inc()
