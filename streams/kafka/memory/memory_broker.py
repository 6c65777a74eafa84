"""The broker in memory: topics, groups, and the coordinator of transactions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaError

from streams.kafka.memory.group import Group, Metadata, fenced
from streams.kafka.memory.log import Entry, Fate, Headers, Log, TopicPartitionKey


@dataclass(slots=True)
class Transaction:
    """The coordinator's state of a transactional id. Epochs fence; they do not grow with each
    transaction.
    """

    epoch: int = -1
    places: set[TopicPartitionKey] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    open: bool = False


class MemoryKafka:
    """Topics and what stands in them. Every call is atomic; who calls when is the caller's
    affair.
    """

    def __init__(self, topics: Mapping[str, int], now: Callable[[], int]) -> None:
        """topics: their partition counts. now: append times, ms."""
        self.logs = {(topic, p): Log() for topic, count in topics.items() for p in range(count)}
        self.topics = dict(topics)
        self.configured: dict[str, dict[str, str]] = {}
        self.groups: dict[str, Group] = {}
        self.transactions: dict[str, Transaction] = {}
        self._now = now
        self._clients = 0

    def number(self) -> int:
        """A number for a client that comes."""
        self._clients += 1
        return self._clients

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group(name))

    def write(
        self,
        place: TopicPartitionKey,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),  # type: ignore[assignment]
    ) -> int:
        """Appends a record that is in no transaction."""
        return self.logs[place].append(
            Entry(key, value, list(headers), self._now(), Fate.COMMITTED)
        )

    def init(self, transactional_id: str) -> int:
        """A producer comes: whatever was open under its id is aborted, and its older self
        fenced.
        """
        transaction = self.transactions.setdefault(transactional_id, Transaction())
        self._end(transactional_id, transaction, Fate.ABORTED)
        transaction.epoch += 1
        return transaction.epoch

    def write_in(
        self,
        transactional_id: str,
        epoch: int,
        records: Sequence[tuple[TopicPartitionKey, bytes | None, bytes | None, Headers]],
    ) -> None:
        """Appends records of an open transaction. Raises KafkaException to a fenced producer."""
        transaction = self._of(transactional_id, epoch)
        for place, key, value, headers in records:
            transaction.open = True
            transaction.places.add(place)
            self.logs[place].append(
                Entry(key, value, list(headers), self._now(), Fate.OPEN, transactional_id)
            )

    def add_offsets(
        self,
        transactional_id: str,
        epoch: int,
        offsets: Mapping[TopicPartitionKey, int],
        said: Metadata,
    ) -> None:
        """Puts a group's offsets into a transaction."""
        transaction = self._of(transactional_id, epoch)
        group = self.group(said.group)
        group.check(said)
        transaction.open = True
        transaction.groups.add(said.group)
        group.pending.setdefault(transactional_id, {}).update(offsets)

    def end(self, transactional_id: str, epoch: int, commit: bool) -> None:
        """EndTxn. Whose transaction it is, only the epoch tells."""
        transaction = self._of(transactional_id, epoch)
        self._end(transactional_id, transaction, Fate.COMMITTED if commit else Fate.ABORTED)

    def time_out(self, transactional_id: str) -> None:
        """The coordinator aborts a transaction that takes too long, and fences its producer."""
        transaction = self.transactions[transactional_id]
        if transaction.open:
            self._end(transactional_id, transaction, Fate.ABORTED)
            transaction.epoch += 1

    def _of(self, transactional_id: str, epoch: int) -> Transaction:
        transaction = self.transactions[transactional_id]
        if transaction.epoch != epoch:
            raise fenced(KafkaError._FENCED)
        return transaction

    def _end(self, transactional_id: str, transaction: Transaction, fate: Fate) -> None:
        for place in sorted(transaction.places):
            self.logs[place].end(transactional_id, fate, self._now())
        for name in sorted(transaction.groups):
            offsets = self.groups[name].pending.pop(transactional_id)
            if fate == Fate.COMMITTED:
                self.groups[name].offsets.update(offsets)
        transaction.places, transaction.groups, transaction.open = set(), set(), False
