"""Notes what a worker is folding, in a file that outlives it: a record that ends it three times is
set aside.

Our own bug stops the process, and so does one of a library in C, which leaves nobody who could say
where it was. So the place is written down before each fold and crossed out after it. A worker that
finds a place not crossed out folds that stretch one record at a time; any cut gives the same bytes.
What fails only as it is committed is noted in streams/engine/uncommitted.py.
"""

import hashlib
import json
import logging
import mmap
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any, NamedTuple

from confluent_kafka import Message

from streams.engine.uncommitted import Uncommitted
from streams.kafka.reading import admin
from streams.runtime.damaged_files import own_folder, regular, set_aside
from streams.runtime.settings import Settings

log = logging.getLogger("mendstream.blackbox")

DEADLY = 3  # ends at one record; by then it is the record and not chance
MOST_CONDEMNED = 1_000  # a bug that takes more than these needs a person, not a longer list
_BYTES = 1_024  # a topic's name has at most 249 characters
_NOTES_BYTES = 2 * MOST_CONDEMNED * _BYTES  # more than all that can be condemned takes up
_DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    RecursionError,
)  # what reading a file may raise that is not ours


class OffsetRange(NamedTuple):
    """Records of one input partition, from an offset up to another; `check` is the CRC of the value
    of a single one.
    """

    topic: str
    partition: int
    first: int
    next: int
    check: int

    def holds(self, other: "OffsetRange") -> bool:
        same = self.topic == other.topic and self.partition == other.partition
        return same and self.first <= other.first and other.next <= self.next


class BlackBox:
    """The marks of one worker. Without a path nothing is kept, and nothing set aside."""

    def __init__(self, path: Path | None) -> None:
        self._condemned: list[OffsetRange] = []
        self._suspect: OffsetRange | None = None
        self._mark: mmap.mmap | None = None
        self.uncommitted = Uncommitted(path.with_suffix(".commit") if path is not None else None)
        # whether the piece given last is to be committed by itself before the next is asked for
        self.alone = False
        if path is not None:
            self._recall(path.with_suffix(".json"), _left(path))
            self._mark = _opened(path)

    def pieces(
        self, topic: str, partition: int, records: list[Message]
    ) -> Iterator[tuple[list[Message], bool]]:
        """The records in pieces, each to be folded before the next is asked for; True: one to be
        set aside instead.
        """
        for piece, condemned in self._cut(topic, partition, records):
            if condemned or self._mark is None:
                yield piece, condemned
                continue
            for part, alone in self.uncommitted.cut(topic, partition, piece):
                self.alone = alone
                self._write(json.dumps(_stretch(topic, partition, part)))
                yield part, False
                self.uncommitted.folded(topic, partition, part)
                self._write("")  # not reached where the fold fails
            self.alone = False

    def _cut(
        self, topic: str, partition: int, records: list[Message]
    ) -> Iterator[tuple[list[Message], bool]]:
        watched = [
            one
            for one in (*self._condemned, self._suspect)
            if one and one[:2] == (topic, partition)
        ]
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

    def _recall(self, path: Path, left: OffsetRange | None) -> None:
        """Counts how often a worker ended at the place where the last one did."""
        self._condemned, self._suspect, ends = _known(path)
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
        regular(new)
        new.write_text(
            json.dumps({"condemned": self._condemned, "suspect": self._suspect, "ends": ends})
        )
        new.replace(path)

    def _write(self, text: str) -> None:
        assert self._mark is not None
        self._mark[:] = text.encode().ljust(_BYTES)


def black_box(settings: Settings) -> BlackBox:
    """The box of this worker's slot on this Kafka; offsets of another Kafka mean nothing here."""
    folder = Path(settings.crash_directory or Path(gettempdir()) / f"mendstream-{os.geteuid()}")
    cluster = admin(settings).list_topics(timeout=10.0).cluster_id
    name = hashlib.sha256(f"{cluster}/{settings.group}/{settings.slot}".encode()).hexdigest()[:16]
    try:
        foreign = own_folder(folder)
        if foreign and not settings.crash_directory:
            fault = (
                "%s is not used: %s. A record that ends this worker is never set aside; set "
                "MENDSTREAM_CRASH_DIRECTORY"
            )
            log.error(fault, folder, foreign)
            return BlackBox(None)
        return BlackBox(folder / f"{name}.mark")
    except OSError as error:
        log.warning(
            "%s cannot be written: a record that ends this worker is never set aside (%s)",
            folder,
            error,
        )
        return BlackBox(None)


def _stretch(topic: str, partition: int, records: Sequence[Message]) -> OffsetRange:
    first, last = records[0].offset() or 0, records[-1].offset() or 0
    check = (
        zlib.crc32(records[0].value() or b"") | 1 << 32 if len(records) == 1 else 0
    )  # never 0 of a single one
    return OffsetRange(topic, partition, first, last + 1, check)


def _left(path: Path) -> OffsetRange | None:
    """Returns what the last worker was folding when it ended, if it ended so."""
    text = _read(path, _BYTES).strip(b" \0")
    if not text:
        return None
    try:
        return _stretched(json.loads(text))
    except _DAMAGED as error:
        set_aside(path, f"it names no stretch of records: {error}")
        return None


def _known(path: Path) -> tuple[list[OffsetRange], OffsetRange | None, int]:
    """Returns what is condemned, what is suspected, and how many workers ended there in a row."""
    text = _read(path, _NOTES_BYTES)
    try:
        known = json.loads(text) if text else {"condemned": [], "suspect": None, "ends": 0}
        condemned, suspect, ends = known["condemned"], known["suspect"], known["ends"]
        if not isinstance(condemned, list) or type(ends) is not int or not 0 <= ends < DEADLY:
            raise ValueError("its fields are not what this program writes")
        found = [_stretched(each) for each in condemned[-MOST_CONDEMNED:]]
        return found, None if suspect is None else _stretched(suspect), ends
    except _DAMAGED as error:
        set_aside(path, f"what is known of earlier ends is lost: {error}")
        return [], None, 0


def _read(path: Path, most: int) -> bytes:
    """A file as far as one of ours reaches; nothing where there is none."""
    if not regular(path):
        return b""
    with path.open("rb") as file:
        return file.read(most + 1)


def _stretched(written: Any) -> OffsetRange:
    """Raises ValueError for what is no stretch."""
    kinds = [type(each) for each in written] if isinstance(written, list) else []
    if kinds != [str, int, int, int, int] or not 0 <= written[2] < written[3]:
        raise ValueError("a stretch is a topic and four numbers")
    return OffsetRange(*written)


def _opened(path: Path) -> mmap.mmap:
    """The file in memory: writing there is as quick as an assignment, and the system keeps it when
    the process ends.
    """
    with path.open("ab") as file:
        file.truncate(
            _BYTES
        )  # the same length ever after: an older self that still runs may have it in memory too
    with path.open("r+b") as file:
        mark = mmap.mmap(file.fileno(), _BYTES)
    mark[:] = b" " * _BYTES
    return mark
