"""Tells what became of records that were written: taken in, known already, refused with a reason,
or not taken in yet.

The journal says how far the processors came, the dead letters what they refused; which ids were
known is worked out as they do it, by reading the stretch of the input within which an id is
remembered.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaException, TopicPartition

from agents.core.batch import Slice
from agents.flow.pipeline import admitted_offsets
from schemas.catalog import BROADCASTS, DEAD_LETTERS, JOURNAL, POLICIES
from schemas.codec.framing import Codec
from schemas.records import JournalEntry
from state.partition.ingress_memory import IngressMemory
from streams.engine.restore import last_entries
from streams.kafka.dead_letters import letter
from streams.kafka.error_messages import explained
from streams.kafka.publisher import Runs, count, put, within
from streams.kafka.reading import (
    TopicPartitionKey,
    admin,
    end_offsets,
    read,
    read_places,
    start_offsets,
)
from streams.runtime.clock import POLL_SECONDS, monotonic, wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

PATIENCE_SECONDS = (
    15.0  # without any progress through the inputs: a processor that runs has come by then
)
SILENCE_SECONDS = (
    5.0  # without a journal entry nobody owns the partition: an owner's tick makes one each second
)
_BATCH = 30_000  # records looked at together
_TOLD_MAX = 5  # reasons that are spelt out; all are counted

Where = tuple[str, int, int]  # topic, partition, offset


@dataclass(frozen=True, slots=True)
class DeadLetterReason:
    """The reason why a record became a dead letter, as a code and a sentence."""

    reason: str
    sentence: str


@dataclass(slots=True)
class Became:
    """The fates of the records that were written. unseen: why they could not be looked at; empty:
    they were.
    """

    new: int = 0
    known: int = 0
    waiting: int = 0
    refused: dict[Where, DeadLetterReason] = field(default_factory=dict)
    unseen: str = ""

    def describe(self) -> str:
        """Returns all of it on one line."""
        if self.unseen:
            return f"what became of them cannot be seen: {self.unseen}"
        reasons = Counter(each.reason for each in self.refused.values()).most_common()
        why = f" ({', '.join(f'{reason} {n}' for reason, n in reasons)})" if reasons else ""
        later = f"{self.waiting} not taken in yet" + (
            " (no processor has passed them)" if self.waiting else ""
        )
        return (
            f"{self.new} new, {self.known} known already, {len(self.refused)} refused{why}, {later}"
        )

    def reasons(self) -> list[str]:
        """A sentence for each of the first reasons met."""
        first: dict[str, str] = {}
        for (topic, partition, offset), each in self.refused.items():
            first.setdefault(
                each.reason, f"{each.reason}: {each.sentence} ({topic}/{partition} offset {offset})"
            )
        return list(first.values())[:_TOLD_MAX]


class Aftermath:
    """Looks after records that are about to be written; make it before the first of them."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._settings, self._codec = settings, codec
        self._unseen = ""
        try:
            self._client = admin(settings)
            there = self._client.list_topics(timeout=10.0).topics
            if hidden := [name for name in (JOURNAL, DEAD_LETTERS) if name not in there]:
                raise MendstreamError(
                    f"{' and '.join(hidden)} cannot be read.", "The role operator may."
                )
            parts = [TopicPartition(DEAD_LETTERS, p) for p in range(settings.partitions)]
            self._letters = {
                part.partition: end for part, end in end_offsets(self._client, parts).items()
            }
        except (KafkaException, MendstreamError) as error:
            self._unseen = _why(error, settings)

    def became(
        self, written: Mapping[TopicPartitionKey, Runs], seconds: float = PATIENCE_SECONDS
    ) -> Became:
        """Waits until processors passed the records, or nothing moved for so many seconds; says
        what became of them.
        """
        if self._unseen:
            return Became(unseen=self._unseen)
        try:
            return self._became(written, seconds)
        except (KafkaException, MendstreamError) as error:
            return Became(unseen=_why(error, self._settings))

    def _became(self, written: Mapping[TopicPartitionKey, Runs], seconds: float) -> Became:
        passed = self._passed(written, seconds)
        found = Became(
            waiting=sum(count(runs, passed[place], None) for place, runs in written.items())
        )
        taken = {place: until for place, until in passed.items() if count(written[place], 0, until)}
        found.refused = self._refused(written, taken)
        met = sum(count(written[place], 0, until) for place, until in taken.items())
        fresh = self._fresh(written, taken)
        refused_fresh = sum(within(fresh[topic, p], offset) for topic, p, offset in found.refused)
        found.new = sum(count(runs, 0, None) for runs in fresh.values()) - refused_fresh
        found.known = met - found.new - len(found.refused)
        return found

    def _passed(
        self, written: Mapping[TopicPartitionKey, Runs], seconds: float
    ) -> dict[TopicPartitionKey, int]:
        """The offsets before which everything of these places is applied."""
        partitions = sorted({p for topic, p in written if topic not in BROADCASTS})
        if any(topic in BROADCASTS for topic, _ in written):
            partitions = list(range(self._settings.partitions))
        wanted = {place: runs[-1][1] + 1 for place, runs in written.items()}
        passed, numbers = dict.fromkeys(wanted, 0), [-1]
        moved_at = heard_at = monotonic()
        while True:
            entries = last_entries(self._settings, self._codec, self._client, partitions)
            now, said = monotonic(), [entries[p].number for p in sorted(entries)]
            reached = {place: _reached(place, entries, partitions) for place in wanted}
            moved_at, heard_at = (
                now if reached != passed else moved_at,
                now if said != numbers else heard_at,
            )
            passed, numbers = reached, said
            if all(passed[place] >= wanted[place] for place in wanted):
                return passed
            if now - moved_at > seconds or now - heard_at > min(seconds, SILENCE_SECONDS):
                return passed
            wait_until(lambda: False, 5 * POLL_SECONDS)

    def _refused(
        self, written: Mapping[TopicPartitionKey, Runs], taken: Mapping[TopicPartitionKey, int]
    ) -> dict[Where, DeadLetterReason]:
        numbers = {p % self._settings.partitions for _, p in taken}
        parts = [TopicPartition(DEAD_LETTERS, p) for p in sorted(numbers)]
        # The journal may show a transaction before the dead letters do: each log gets its own
        # marker of its end.
        ends = end_offsets(self._client, parts)
        ranges = {
            (DEAD_LETTERS, part.partition): (self._letters[part.partition], end)
            for part, end in ends.items()
        }
        found: dict[Where, DeadLetterReason] = {}
        for batch in read(self._settings, ranges):
            for message in batch:
                one = letter(message)
                if one is None:
                    continue
                place = one.topic, one.origin_partition
                if place in taken and within(written[place], one.origin_offset):
                    found[(*place, one.origin_offset)] = DeadLetterReason(one.reason, one.sentence)
        return dict(sorted(found.items()))

    def _fresh(
        self, written: Mapping[TopicPartitionKey, Runs], taken: Mapping[TopicPartitionKey, int]
    ) -> dict[TopicPartitionKey, Runs]:
        """Which of the records were no repeats, as the processors' own admission has it."""
        fresh: dict[TopicPartitionKey, Runs] = {place: [] for place in taken}
        ranges: dict[TopicPartitionKey, tuple[int, int]] = {}
        for place, until in taken.items():
            if place[0] in BROADCASTS:  # taken however often they come
                fresh[place] = [
                    [first, min(last, until - 1)] for first, last in written[place] if first < until
                ]
            else:
                first, end = written[place][0][0], min(until, written[place][-1][1] + 1)
                ranges[place] = max(0, first - self._settings.dedupe_window), end
        for part, start in start_offsets(
            self._client, [TopicPartition(*place) for place in ranges]
        ).items():
            first, end = ranges[part.topic, part.partition]
            ranges[part.topic, part.partition] = max(first, start), end
        tables = {
            p: IngressMemory(p, self._settings.partitions, self._settings.dedupe_window)
            for _, p in ranges
        }
        for places in read_places(self._settings, ranges, _BATCH):
            for (topic, p), records in places.items():
                piece = Slice.of(topic, p, records)  # type: ignore[arg-type]
                for offset in admitted_offsets(piece, tables[p], self._codec):
                    if within(written[topic, p], offset):
                        put(fresh[topic, p], offset)
        return fresh


def _reached(
    place: TopicPartitionKey, entries: Mapping[int, JournalEntry], partitions: Sequence[int]
) -> int:
    topic, partition = place
    if topic not in BROADCASTS:
        return entries[partition].next_offsets.get(topic, 0) if partition in entries else 0
    if len(entries) < len(partitions):
        return 0
    # In force where each partition has it.
    return min(
        one.broadcast_offset if topic == POLICIES else one.levels_offset for one in entries.values()
    )


def _why(error: KafkaException | MendstreamError, settings: Settings) -> str:
    told = explained(error.args[0], settings) if isinstance(error, KafkaException) else error
    return " ".join(str(told).split())
