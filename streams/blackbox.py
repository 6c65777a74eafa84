"""What a worker is folding, in a file that outlives it: a record that ends it three times is set aside.

Our own bug stops the process, and so does one of a library in C, which leaves nobody who could say where it was. So the
place is written down before each fold and crossed out after it. A worker that finds a place not crossed out folds that
stretch one record at a time; any cut gives the same bytes.
"""

import hashlib
import json
import logging
import mmap
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import NamedTuple

from confluent_kafka import Message

from streams.config import Settings
from streams.kafka import admin

log = logging.getLogger("mendstream.blackbox")

DEADLY = 3  # ends at one record; by then it is the record and not chance
MOST_CONDEMNED = 1_000  # a bug that takes more than these needs a person, not a longer list
_BYTES = 1_024  # a topic's name has at most 249 characters


class Stretch(NamedTuple):
    """Records of one input partition, from an offset up to another; `check` is the CRC of the value of a single one."""

    topic: str
    partition: int
    first: int
    next: int
    check: int

    def holds(self, other: "Stretch") -> bool:
        same = self.topic == other.topic and self.partition == other.partition
        return same and self.first <= other.first and other.next <= self.next


class BlackBox:
    """The marks of one worker. Without a path nothing is kept, and nothing set aside."""

    def __init__(self, path: Path | None) -> None:
        self._condemned: list[Stretch] = []
        self._suspect: Stretch | None = None
        self._mark: mmap.mmap | None = None
        if path is not None:
            self._recall(path.with_suffix(".json"), _left(path))
            self._mark = _opened(path)

    def pieces(self, topic: str, partition: int, records: list[Message]) -> Iterator[tuple[list[Message], bool]]:
        """The records in pieces, each to be folded before the next is asked for; True: one to be set aside instead."""
        for piece, condemned in self._cut(topic, partition, records):
            if condemned or self._mark is None:
                yield piece, condemned
                continue
            self._write(json.dumps(_stretch(topic, partition, piece)))
            yield piece, False
            self._write("")  # not reached where the fold fails

    def _cut(self, topic: str, partition: int, records: list[Message]) -> Iterator[tuple[list[Message], bool]]:
        watched = [one for one in (*self._condemned, self._suspect) if one and one[:2] == (topic, partition)]
        if not watched:
            yield records, False
            return
        together: list[Message] = []
        for record in records:
            alone = _stretch(topic, partition, [record])
            if not any(one.holds(alone) for one in watched):
                together.append(record)
                continue
            if together:
                yield together, False
                together = []
            yield [record], alone in self._condemned
        if together:
            yield together, False

    def _recall(self, path: Path, left: Stretch | None) -> None:
        """Counts how often a worker ended at the place where the last one did."""
        known = json.loads(path.read_text()) if path.exists() else {"condemned": [], "suspect": None, "ends": 0}
        self._condemned = [Stretch(*each) for each in known["condemned"]]
        before, ends = known["suspect"], known["ends"]
        self._suspect = Stretch(*before) if before else None
        if left is None:
            return
        ends = ends + 1 if self._suspect is not None and self._suspect.holds(left) else 1
        self._suspect = left
        log.warning("a worker ended as it folded %s/%d from %d to %d", *left[:4])
        if ends >= DEADLY and left.check and len(self._condemned) < MOST_CONDEMNED:
            log.error("%s/%d offset %d ended %d workers: it becomes a dead letter", *left[:3], ends)
            self._condemned.append(left)
            self._suspect, ends = None, 0
        new = path.with_suffix(".new")
        new.write_text(json.dumps({"condemned": self._condemned, "suspect": self._suspect, "ends": ends}))
        new.replace(path)

    def _write(self, text: str) -> None:
        assert self._mark is not None
        self._mark[:] = text.encode().ljust(_BYTES)


def black_box(settings: Settings) -> BlackBox:
    """The box of this worker's slot on this Kafka; offsets of another Kafka mean nothing here."""
    folder = Path(settings.crash_directory or Path(gettempdir()) / "mendstream")
    cluster = admin(settings).list_topics(timeout=10.0).cluster_id
    name = hashlib.sha256(f"{cluster}/{settings.group}/{settings.slot}".encode()).hexdigest()[:16]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return BlackBox(folder / f"{name}.mark")
    except OSError as error:
        log.warning("%s cannot be written: a record that ends this worker is never set aside (%s)", folder, error)
        return BlackBox(None)


def _stretch(topic: str, partition: int, records: Sequence[Message]) -> Stretch:
    first, last = records[0].offset() or 0, records[-1].offset() or 0
    check = zlib.crc32(records[0].value() or b"") | 1 << 32 if len(records) == 1 else 0  # never 0 of a single one
    return Stretch(topic, partition, first, last + 1, check)


def _left(path: Path) -> Stretch | None:
    """What the last worker was folding when it ended, if it ended so."""
    text = path.read_bytes().strip(b" \0") if path.exists() else b""
    return Stretch(*json.loads(text)) if text else None


def _opened(path: Path) -> mmap.mmap:
    """The file in memory: writing there is as quick as an assignment, and the system keeps it when the process ends."""
    with path.open("ab") as file:
        file.truncate(_BYTES)  # the same length ever after: an older self that still runs may have it in memory too
    with path.open("r+b") as file:
        mark = mmap.mmap(file.fileno(), _BYTES)
    mark[:] = b" " * _BYTES
    return mark
