"""Writes dead letters back to where they came from, each once: after what made them bad was mended.

One transaction holds the records, a note of which letters they were, and the group's offsets. Notes
are read after older runs were fenced, so a letter that was noted is never written again, whoever
died on the way.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from agents.flow.ingress import REDRIVEN_FROM
from schemas.catalog import DEAD_LETTERS, REDRIVES
from schemas.codec.framing import Codec
from schemas.records import Redrive
from streams.engine.transaction import Crash, Hook, Outbox, Transactions
from streams.kafka.admin.acls import REDRIVABLE, REDRIVE_SLOT, redrive_group
from streams.kafka.admin.permissions import check_rights
from streams.kafka.admin.topics import check
from streams.kafka.dead_letters import Header, Letter, letter
from streams.kafka.reading import admin, committed_reader, end_offsets, read, start_offsets
from streams.kafka.schema_ids import codec_for
from streams.runtime.clock import now_ms
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

REDRIVEN = "mendstream-redriven"  # how many times this record was written back
LETTERS = 500  # most of a transaction: it holds up the readers of its partitions while it is open
BYTES = 8 * 1024 * 1024  # so do large ones

Noted = dict[int, set[int]]  # offsets of letters that were redriven, by partition


@dataclass(frozen=True, slots=True)
class Wanted:
    """Selects dead letters; empty and None mean any."""

    reasons: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    partition: int | None = None
    from_offset: int = 0
    limit: int | None = None

    def includes(self, one: Letter) -> bool:
        return (
            (not self.reasons or one.reason in self.reasons)
            and (not self.topics or one.topic in self.topics)
            and one.offset >= self.from_offset
        )


@dataclass(slots=True)
class Redriven:
    """The result of a redrive: letters by topic and reason, and those that cannot be redriven."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    before: int = 0  # of them: letters of records that had been redriven before
    already: int = 0  # letters that are wanted and were redriven by earlier runs
    left_out: int = 0  # letters whose bytes were too large to be kept
    foreign: int = 0  # records on the topic that are no letters of ours


def redrive(
    settings: Settings, wanted: Wanted, at: Hook | None = None, letters: int = LETTERS
) -> Redriven:
    """Redrives what is wanted, up to the letters there are now.

    at: called with the name of each point of a commit, for tests that end the process there;
    letters: most of one transaction. Raises MendstreamError where it was stopped.
    """
    client = admin(settings)
    check_rights(client, settings, "redriver")
    check(client, settings)
    try:
        return _RedriveRun(settings, client, at or (lambda _point: None), letters).run(wanted)
    except Crash as error:
        raise MendstreamError(
            f"The redrive stopped: {error}.",
            "Run it again: it goes on where it was, and nothing is redriven twice. If another one "
            "was started "
            "meanwhile, that one goes on. If one record is refused, leave it out with --reason or "
            "--from-offset.",
        ) from error


def survey(settings: Settings, wanted: Wanted) -> Redriven:
    """Returns what `redrive` would do, and writes nothing."""
    client = admin(settings)
    check(client, settings)
    noted, found = _notes(settings, codec_for(settings), client), Redriven()
    for _ in _chosen(settings, client, wanted, noted, found, {}):
        pass
    return found


class _RedriveRun:
    """One redrive: fences those before it, then reads what they have done."""

    def __init__(self, settings: Settings, client: AdminClient, at: Hook, letters: int) -> None:
        self._settings, self._client, self._letters = settings, client, letters
        self._codec = codec_for(settings)
        self._transactions = Transactions(
            settings.model_copy(update={"slot": REDRIVE_SLOT}), at, role="redriver"
        )
        self._consumer = committed_reader(settings, group=redrive_group(settings.group))
        self._noted = _notes(settings, self._codec, client)
        self._passed: dict[int, int] = {}

    def run(self, wanted: Wanted) -> Redriven:
        found, waiting = Redriven(), list[Letter]()
        for one in _chosen(self._settings, self._client, wanted, self._noted, found, self._passed):
            waiting.append(one)
            if len(waiting) >= self._letters or sum(each.size for each in waiting) >= BYTES:
                self._write(waiting)
                waiting = []
        if waiting:
            self._write(waiting)
        self._transactions.close()
        self._consumer.close()
        return found

    def _write(self, waiting: list[Letter]) -> None:
        """One transaction; the next letters are read while it is being committed."""
        outbox = Outbox()
        for one in waiting:
            outbox.add(one.topic, one.origin_partition, one.key, one.value, _headers(one))
        for p in sorted({one.partition for one in waiting}):
            offsets = sorted(one.offset for one in waiting if one.partition == p)
            outbox.add(
                REDRIVES, p, str(p), self._codec.encode(Redrive(p, tuple(offsets), now_ms()))
            )
        outbox.offsets = [
            TopicPartition(DEAD_LETTERS, p, offset) for p, offset in self._passed.items()
        ]
        self._transactions.submit(outbox, self._consumer.consumer_group_metadata(), lambda: None)


def _headers(one: Letter) -> list[Header]:
    """The original headers, and how often and whence the record was written back."""
    before = dict(one.headers).get(REDRIVEN) or b"0"
    kept = [(name, value) for name, value in one.headers if name not in (REDRIVEN, REDRIVEN_FROM)]
    origin = f"{one.topic}/{one.origin_partition}/{one.origin_offset}".encode()
    return [*kept, (REDRIVEN, str(_number(before) + 1).encode()), (REDRIVEN_FROM, origin)]


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else 0


def _chosen(
    settings: Settings,
    client: AdminClient,
    wanted: Wanted,
    noted: Noted,
    found: Redriven,
    passed: dict[int, int],
) -> Iterator[Letter]:
    """The letters to be redriven, counted in `found` as they are handed over.

    passed: becomes, by partition, the offset before which no letter waits: what is left is the
    group's lag.
    """
    numbers = range(settings.partitions) if wanted.partition is None else [wanted.partition]
    parts = [TopicPartition(DEAD_LETTERS, p) for p in numbers]
    starts, ends = start_offsets(client, parts), end_offsets(client, parts)
    passed |= {p.partition: starts[p] for p in parts}
    waits: set[int] = set()  # partitions where a letter was left for another run
    for batch in read(settings, {(p.topic, p.partition): (starts[p], ends[p]) for p in parts}):
        for message in batch:
            one, partition, offset = (
                letter(message),
                message.partition() or 0,
                message.offset() or 0,
            )
            done = offset in noted.get(partition, ())
            chosen = (
                one
                if one is not None and not done and wanted.includes(one) and _possible(one)
                else None
            )
            _count(one, done, chosen, wanted, found)
            if chosen is None and not done and one is not None and _possible(one):
                waits.add(partition)
            if partition not in waits:
                passed[partition] = offset + 1
            if chosen is not None:
                yield chosen
                if found.counts.total() == wanted.limit:
                    return


def _possible(one: Letter) -> bool:
    return one.topic in REDRIVABLE and not one.left_out


def _count(
    one: Letter | None, done: bool, chosen: Letter | None, wanted: Wanted, found: Redriven
) -> None:
    if chosen is not None:
        found.counts[chosen.topic, chosen.reason] += 1
        found.before += any(name == REDRIVEN for name, _ in chosen.headers)
    elif one is None or one.topic not in REDRIVABLE:
        found.foreign += 1
    elif wanted.includes(one):
        found.already += done
        found.left_out += one.left_out


def _notes(settings: Settings, codec: Codec, client: AdminClient) -> Noted:
    """Which letters were redriven; waits for a transaction under way."""
    parts = [TopicPartition(REDRIVES, p) for p in range(settings.partitions)]
    starts, ends = start_offsets(client, parts), end_offsets(client, parts)
    noted: Noted = {}
    for batch in read(settings, {(p.topic, p.partition): (starts[p], ends[p]) for p in parts}):
        for message in batch:
            note = codec.decode("Redrive", message.value())
            assert isinstance(note, Redrive)
            noted.setdefault(note.partition, set()).update(note.offsets)
    return noted
