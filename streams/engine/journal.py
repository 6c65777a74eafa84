"""Records what each partition has applied, in order: numbered entries, one for each transaction
that advanced it.
"""

from dataclasses import dataclass, field

from agents.core.batch import Slice
from agents.core.effects import Effects
from schemas.catalog import BROADCASTS, POLICIES, TRUST_LEVELS
from schemas.records import JournalEntry, Step

# bytes of broadcast records in one entry; one more of 64 KiB and all steps still fit beside them
EMBEDDED_MAX = 262_144
STEPS_MAX = 5_000  # of one entry, some 60 bytes each


@dataclass(slots=True)
class Journal:
    """The position of one partition, and the entry in the making."""

    partition: int
    number: int = 0
    next_offsets: dict[str, int] = field(default_factory=dict)
    broadcast_offsets: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BROADCASTS, 0))
    applied: int = 0
    duplicates: int = 0
    forwarded: int = 0
    dead_letters: int = 0
    steps: list[Step] = field(default_factory=list)
    embedded: int = 0  # bytes of broadcast records in the entry in the making

    @staticmethod
    def after(entry: JournalEntry) -> "Journal":
        """The position that an entry leaves."""
        return Journal(
            entry.partition,
            entry.number,
            dict(entry.next_offsets),
            {POLICIES: entry.broadcast_offset, TRUST_LEVELS: entry.levels_offset},
            entry.applied,
            entry.duplicates,
            entry.forwarded,
            entry.dead_letters,
        )

    def add_slice(self, piece: Slice, effects: Effects) -> None:
        """Notes a folded slice. Slices of one topic that follow each other are one: the batch law
        says so.
        """
        self.next_offsets[piece.topic] = piece.next_offset
        self.applied += effects.applied
        self.duplicates += effects.duplicates
        self.forwarded += len(effects.forwards)
        self.dead_letters += len(effects.refused)
        last = self.steps[-1] if self.steps else None
        if last is not None and last.topic == piece.topic and last.record is None:
            self.steps[-1] = Step(
                topic=piece.topic, first_offset=last.first_offset, next_offset=piece.next_offset
            )
        else:
            self.steps.append(
                Step(
                    topic=piece.topic,
                    first_offset=piece.first_offset,
                    next_offset=piece.next_offset,
                )
            )

    def set_aside(self, topic: str, offset: int) -> None:
        """Notes a record that is not folded: an empty step behind it keeps the slices around it
        apart.
        """
        self.next_offsets[topic] = offset + 1
        self.dead_letters += 1
        self.steps.append(Step(topic=topic, first_offset=offset + 1, next_offset=offset + 1))

    def add_broadcast(self, topic: str, offset: int, value: bytes | None) -> None:
        """Notes a broadcast record, embedded: its topic is compacted, and a replay must find it."""
        self.broadcast_offsets[topic] = offset + 1
        self.embedded += len(value or b"")
        self.steps.append(
            Step(topic=topic, first_offset=offset, next_offset=offset + 1, record=value)
        )

    @property
    def full(self) -> bool:
        """Returns True once the entry in the making must be closed.

        What is embedded in it would not fit into one record otherwise.
        """
        return self.embedded > EMBEDDED_MAX or len(self.steps) > STEPS_MAX

    def entry(self, now: int, agents: str, rows: int) -> JournalEntry:
        """Closes the entry in the making; `rows` are those of all tables."""
        self.number += 1
        steps, self.steps, self.embedded = tuple(self.steps), [], 0
        return JournalEntry(
            number=self.number,
            partition=self.partition,
            agents=agents,
            now=now,
            steps=steps,
            next_offsets=dict(self.next_offsets),
            broadcast_offset=self.broadcast_offsets[POLICIES],
            levels_offset=self.broadcast_offsets[TRUST_LEVELS],
            applied=self.applied,
            duplicates=self.duplicates,
            forwarded=self.forwarded,
            dead_letters=self.dead_letters,
            rows=rows,
        )
