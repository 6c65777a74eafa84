"""Follows what the processor says of itself on its topics, while the demo runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.catalog import COMMANDS, JOURNAL, METRICS, RESULTS, TABLES_ARMS, TABLES_METRICS, TOPICS
from schemas.codec.framing import Codec
from schemas.records import ArmRow, Command, JournalEntry, MetricRow
from streams.demo.datasets import SUBJECTS
from streams.kafka.error_messages import explained
from streams.kafka.reading import committed_reader, end_offsets
from streams.runtime.settings import Settings

_ORDERS = {topic: order for order, topic in COMMANDS.items()}
_TOPICS = (JOURNAL, TABLES_ARMS, TABLES_METRICS, *COMMANDS.values())
_BACK = (
    20  # offsets: at least one journal entry stands among them, beside the transactions' markers
)
_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class RecordCounts:
    """The fates of records, as the journal counts them. Ticks and specs are applied too."""

    applied: int = 0
    duplicates: int = 0
    forwarded: int = 0
    dead_letters: int = 0

    def since(self, before: "RecordCounts") -> "RecordCounts":
        return RecordCounts(
            self.applied - before.applied,
            self.duplicates - before.duplicates,
            self.forwarded - before.forwarded,
            self.dead_letters - before.dead_letters,
        )


@dataclass(slots=True)
class DemoView:
    """The rows, commands and counts read so far."""

    entries: dict[int, JournalEntry] = field(default_factory=dict)
    arms: dict[str, ArmRow] = field(default_factory=dict)
    metrics: dict[str, MetricRow] = field(default_factory=dict)
    commands: list[tuple[str, Command]] = field(default_factory=list)

    def fates(self) -> RecordCounts:
        all_ = self.entries.values()
        return RecordCounts(
            sum(entry.applied for entry in all_),
            sum(entry.duplicates for entry in all_),
            sum(entry.forwarded for entry in all_),
            sum(entry.dead_letters for entry in all_),
        )

    def position(self, topic: str, partition: int) -> int:
        """The next offset that the processor has not taken in."""
        entry = self.entries.get(partition)
        return entry.next_offsets.get(topic, 0) if entry else 0

    def positions(self) -> int:
        return sum(
            at
            for entry in self.entries.values()
            for topic, at in entry.next_offsets.items()
            if topic in (RESULTS, METRICS)
        )

    def reached(self, ends: Mapping[tuple[str, int], int]) -> bool:
        return all(
            self.position(topic, partition) >= end for (topic, partition), end in ends.items()
        )


class Feed:
    """Reads committed records of the processor's topics into a view. A context manager."""

    def __init__(self, settings: Settings, codec: Codec, client: AdminClient) -> None:
        self._settings, self._codec = settings, codec
        self.view = DemoView()
        parts = [TopicPartition(topic, p) for topic in _TOPICS for p in range(settings.partitions)]
        self._ends = {(p.topic, p.partition): end for p, end in end_offsets(client, parts).items()}
        self._consumer = committed_reader(
            settings,
            {
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
            },
        )
        starts = {
            key: max(0, end - _BACK) if key[0] == JOURNAL else 0 for key, end in self._ends.items()
        }
        self._consumer.assign(
            [TopicPartition(topic, p, start) for (topic, p), start in starts.items()]
        )

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def catch_up(self) -> None:
        """Reads what was there before the feed began."""
        waiting = {key for key, end in self._ends.items() if end > 0}
        while waiting:
            waiting -= set(self.poll(0.2))

    def poll(self, seconds: float) -> list[tuple[str, int]]:
        """Takes in what has come; returns the partitions whose end it has reached."""
        reached = []
        for message in self._consumer.consume(_BATCH, timeout=seconds):
            error = message.error()
            if error is None:
                self._take(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                reached.append((message.topic() or "", message.partition() or 0))
            elif error.code() not in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
                raise explained(error, self._settings)
        return reached

    def _take(self, message: Message) -> None:
        topic, value = message.topic() or "", message.value()
        key = (message.key() or b"").decode(errors="replace")
        if value is None:
            self.view.arms.pop(key, None)
            self.view.metrics.pop(key, None)
            return
        name = TOPICS[topic].record
        assert name is not None, f"{topic} holds records"
        record = self._codec.decode(name, value)
        if isinstance(record, JournalEntry):
            self.view.entries[record.partition] = record
        elif isinstance(record, ArmRow) and record.subject in SUBJECTS:
            self.view.arms[key] = record
        elif isinstance(record, MetricRow) and record.subject in SUBJECTS:
            self.view.metrics[key] = record
        elif isinstance(record, Command) and record.subject in SUBJECTS:
            self.view.commands.append((_ORDERS[topic], record))


def faults(commands: Iterable[tuple[str, Command]]) -> list[str]:
    """Returns a sentence for each command that the data should not, or should, have brought."""
    given = list(commands)
    found = []
    if not any(order == "RETRAIN" and command.subject == "car-loan" for order, command in given):
        found.append("no retrain was ordered for car-loan")
    found += [
        f"a rollback was ordered for {command.subject}"
        for order, command in given
        if order == "ROLLBACK" and command.subject.startswith("shop-")
    ]
    improve = [
        command
        for order, command in given
        if order == "IMPROVE" and command.subject == "employment"
    ]
    if len(improve) != 1 or "group quarters" not in improve[0].reason:
        found.append(
            f"{len(improve)} improvements were ordered for employment, not one that names group "
            "quarters"
        )
    return found
