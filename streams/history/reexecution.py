"""Lives one partition's past again: folds the log in the order of its journal, a slice at a time.

Any cut of a slice gives the same bytes, so whoever wants to see a moment within one cuts it there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.core.batch import Slice
from agents.core.effects import Effects
from agents.flow.pipeline import apply_broadcast, fold
from schemas.catalog import BROADCASTS, JOURNAL, POLICIES
from schemas.codec.framing import Codec
from schemas.records import JournalEntry, Policy
from state.partition.partition_state import PartitionState
from streams.engine.topology import DECIDING, tables_of
from streams.kafka.reading import end_offsets, read, start_offsets
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

Cut = Callable[
    [str, list[Message]], Iterable[list[Message]]
]  # a topic's consecutive records, in one piece or several
ProgressCallback = Callable[[str], None]  # hears how far long work has come


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """A slice that was folded again, or None for a broadcast record; `tables` stand as it left
    them.

    The tables are those of the next step too: look at them before asking for it.
    """

    entry: JournalEntry
    tables: PartitionState
    piece: Slice | None
    effects: Effects


def whole(_topic: str, records: list[Message]) -> Iterable[list[Message]]:
    """Slices as long as they were in the journal."""
    return (records,)


def reexecute(
    settings: Settings,
    codec: Codec,
    client: AdminClient,
    partition: int,
    cut: Cut = whole,
    policies: Sequence[Policy] | None = None,
) -> Iterator[ReplayStep]:
    """Folds a partition anew and yields each step, from its first journal entry on.

    policies: in force from the beginning, instead of all that were recorded. Raises MendstreamError
    where the log does not reach back that far, and where other agents wrote it.
    """
    tables: PartitionState | None = None
    logs: dict[str, _Log] = {}
    for entry in _journal(settings, codec, client, partition):
        if tables is None:
            tables = tables_of(partition, settings.partitions, entry.agents)
            for policy in policies or ():
                refused = apply_broadcast(POLICIES, codec.encode(policy), tables, codec)
                assert refused is None, f"policy {policy.policy_id} was not checked: {refused}"
        _check_agents(entry, tables)
        for step in entry.steps:
            if step.first_offset == step.next_offset:
                continue  # the record before it was set aside
            if step.topic in BROADCASTS:
                if policies is None or step.topic != POLICIES:
                    apply_broadcast(step.topic, step.record, tables, codec)
                yield ReplayStep(entry, tables, None, Effects())
                continue
            if step.topic not in logs:
                logs[step.topic] = _Log(settings, client, step.topic, partition)
            for records in cut(
                step.topic, logs[step.topic].take(step.first_offset, step.next_offset)
            ):
                piece = Slice.of(step.topic, partition, records)  # type: ignore[arg-type]
                yield ReplayStep(entry, tables, piece, fold(piece, tables, codec))


class _Log:
    """One input partition read once, from its start on, as the journal asks for it."""

    def __init__(self, settings: Settings, client: AdminClient, topic: str, partition: int) -> None:
        part = TopicPartition(topic, partition)
        self._name = f"{topic}/{partition}"
        self._start = start_offsets(client, [part])[part]
        end = end_offsets(client, [part])[part]
        self._batches = read(settings, {(topic, partition): (self._start, end)})
        self._waiting: list[Message] = []

    def take(self, first: int, after: int) -> list[Message]:
        """The records from offset `first` up to, not including, `after`."""
        if first < self._start:
            raise MendstreamError(
                f"{self._name} begins at offset {self._start}; the journal needs {first}.",
                "The log was not kept that long: a replay reaches as far back as retention.",
            )
        while not self._waiting or (self._waiting[-1].offset() or 0) < after - 1:
            batch = next(self._batches, None)
            if batch is None:
                break
            self._waiting += batch
        taken = [message for message in self._waiting if first <= (message.offset() or 0) < after]
        self._waiting = [message for message in self._waiting if (message.offset() or 0) >= after]
        if not taken:
            raise MendstreamError(
                f"{self._name} holds nothing from {first} to {after}.", "Was the topic made anew?"
            )
        return taken


def _journal(
    settings: Settings, codec: Codec, client: AdminClient, partition: int
) -> Iterator[JournalEntry]:
    part = TopicPartition(JOURNAL, partition)
    ranges = {(JOURNAL, partition): (0, end_offsets(client, [part], committed_only=True)[part])}
    expected = 1
    for batch in read(settings, ranges):
        for message in batch:
            entry = codec.decode("JournalEntry", message.value())
            assert isinstance(entry, JournalEntry)
            if entry.number != expected:
                raise MendstreamError(
                    f"Partition {partition}: journal entry {expected} is missing ({entry.number} "
                    "follows).",
                    "The journal is not whole; it must be kept for ever (retention.ms=-1).",
                )
            expected += 1
            yield entry


def _check_agents(entry: JournalEntry, tables: PartitionState) -> None:
    agents = DECIDING.agents(tables.dedupe_window, tables.trust.enabled)
    if entry.agents != agents:
        raise MendstreamError(
            f"Partition {entry.partition}: entry {entry.number} was written by agents "
            f"{entry.agents!r}.",
            f"Replay it with that version; this one is {agents!r}.",
        )
