"""Which records are folded and not committed yet, in a file where their commit fails for what they
are.

A row that Kafka refuses, or that cannot be encoded, shows only at the commit, which holds the
records of many folds. So the stretches that it holds are noted while it is made up, and where Kafka
refuses it. The next worker commits each of them in a few pieces, and in smaller ones after each
end, until one record is left. What ends a worker from outside while Kafka commits leaves no note:
it says nothing of the records.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Message

from streams.runtime.damaged_files import regular, set_aside

log = logging.getLogger("mendstream.uncommitted")

# of a stretch, each committed by itself: some 10 ms each, and a few ends lead to one record of
# thousands
PIECES = 32
_MOST = 10_000  # stretches, one for each input partition
_DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    RecursionError,
)  # what reading a file may raise that is not ours
Place = tuple[str, int]  # topic, partition


class Span(NamedTuple):
    """Offsets of one input partition, up to, not including, `next`."""

    topic: str
    partition: int
    first: int
    next: int

    def holds(self, topic: str, partition: int, offset: int) -> bool:
        return (self.topic, self.partition) == (
            topic,
            partition,
        ) and self.first <= offset < self.next


class Uncommitted:
    """The uncommitted records of one worker, and the error of the last one's commit. Without a path
    nothing is noted.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._open: dict[Place, Span] = {}
        self._suspects = _noted(path) if path is not None else []
        for each in self._suspects:
            log.warning("a worker ended as it committed %s/%d from %d to %d", *each)

    def folded(self, topic: str, partition: int, records: Sequence[Message]) -> None:
        """Takes note of consecutive records that are to be committed."""
        before = self._open.get((topic, partition))
        first = before.first if before is not None else records[0].offset() or 0
        self._open[topic, partition] = Span(
            topic, partition, first, (records[-1].offset() or 0) + 1
        )

    def settled(self, committed: Mapping[Place, int]) -> None:
        """Forgets what is committed; `committed`: next offsets."""
        for place, span in list(self._open.items()):
            upto = committed.get(place, 0)
            if span.next <= upto:
                del self._open[place]
            elif span.first < upto:
                self._open[place] = span._replace(first=upto)
        left = [each for each in self._suspects if each.next > committed.get(each[:2], 0)]
        if left != self._suspects:
            self._suspects = left
            self._note(left)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around making up a commit: the note stays where that fails."""
        self.blame()
        yield
        self._note(self._suspects)

    def blame(self) -> None:
        """Notes all that is not committed."""
        self._note([*self._suspects, *self._open.values()])

    def cut(
        self, topic: str, partition: int, records: list[Message]
    ) -> Iterator[tuple[list[Message], bool]]:
        """The records in pieces; True: one to be committed by itself."""
        spans = [each for each in self._suspects if each[:2] == (topic, partition)]
        if not spans:
            yield records, False
            return
        together: list[Message] = []
        held: Span | None = None
        for record in records:
            span = next(
                (each for each in spans if each.holds(topic, partition, record.offset() or 0)), None
            )
            full = held is not None and len(together) >= -(-(held.next - held.first) // PIECES)
            if together and (span != held or full):
                yield together, held is not None
                together = []
            held = span
            together.append(record)
        if together:
            yield together, held is not None

    def _note(self, spans: Sequence[Span]) -> None:
        if self._path is None:
            return
        try:
            regular(self._path)
            self._path.write_text(json.dumps(spans) if spans else "")
        except OSError as error:
            log.warning(
                "%s cannot be written: what a commit fails with is not found (%s)",
                self._path,
                error,
            )
            self._path = None


def _noted(path: Path) -> list[Span]:
    try:
        if not regular(path):
            return []
        text = path.read_text()
        return [_span(each) for each in json.loads(text)[:_MOST]] if text else []
    except _DAMAGED as error:
        set_aside(path, f"it names no stretches of records: {error}")
        return []


def _span(written: Any) -> Span:
    kinds = [type(each) for each in written] if isinstance(written, list) else []
    if kinds != [str, int, int, int] or not 0 <= written[2] < written[3]:
        raise ValueError("a stretch is a topic and three numbers")
    return Span(*written)
