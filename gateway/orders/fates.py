"""Tells what the processors made of a record that was written: taken in, or refused with a reason.

Three facts of the log say it, so that any replica answers the same. A journal entry of the record's
partition whose next offset is past it: it was folded. A dead letter that names its place: it was
refused. And the ends of the partition's tables as they stood after that entry: whoever has read
them has seen what followed.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from confluent_kafka import KafkaException, TopicPartition

from gateway.views.positions import Places, RecordPlace
from gateway.views.view_feed import ViewFeed
from gateway.views.view_reader import LetterRow, Snapshot, ViewReader
from schemas.catalog import BROADCASTS, JOURNAL, POLICIES
from streams.kafka.reading import end_offsets

_SILENT_SECONDS = 0.5  # after which is looked again, though nothing was told


class FateKind(StrEnum):
    """What became of a record."""

    WAITING = "WAITING"  # no processor has passed it
    APPLIED = "APPLIED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class RecordFate:
    """What became of one record. refusal: of one that was refused."""

    kind: FateKind
    refusal: LetterRow | None = None


class FateWatcher:
    """Waits for what the feed brings. Belongs to one event loop."""

    def __init__(self, feed: ViewFeed, reader: ViewReader) -> None:
        self._feed, self._reader = feed, reader
        self._loop = asyncio.get_running_loop()
        self._moved = asyncio.Event()
        feed.listen(self._told)

    def _told(self, _changes: object) -> None:
        """Called by the feed's thread."""
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def fate(self, place: RecordPlace, seconds: float) -> RecordFate:
        """What became of a record, within so many seconds. Its effects are in the views then."""
        deadline = self._loop.time() + seconds
        folded = await self._until(lambda view: passed(view, place), deadline)
        if not folded or not await self._settled(place.partition, deadline):
            return RecordFate(FateKind.WAITING)
        letter = await self._reader.read(
            lambda view: view.letter(place.topic, place.partition, place.offset)
        )
        return RecordFate(FateKind.APPLIED if letter is None else FateKind.REFUSED, letter)

    async def reached(self, places: Places, records: Iterable[RecordPlace], seconds: float) -> bool:
        """Waits until the views are as far as these positions, and hold what followed from these
        records; returns whether they are within so many seconds.
        """
        deadline = self._loop.time() + seconds
        for record in records:
            folded = await self._until(partial(passed, place=record), deadline)
            if not folded or not await self._settled(record.partition, deadline):
                return False
        return await self._beyond(places, deadline)

    async def _settled(self, partition: int, deadline: float) -> bool:
        """Waits until the views hold everything that stands in a partition of their topics now."""
        parts = [part for part in self._feed.parts if part.partition == partition]
        try:
            ends = await asyncio.to_thread(end_offsets, self._feed.admin, parts)
        except KafkaException:
            return False
        return await self._beyond(_by_place(ends.items()), deadline)

    async def _beyond(self, places: Places, deadline: float) -> bool:
        def there() -> bool:
            positions = self._feed.positions
            return all(positions.get(place, 0) >= end for place, end in places.items())

        while not there():
            if not await self._news(deadline):
                return there()
        return True

    async def _until(self, condition: Callable[[Snapshot], bool], deadline: float) -> bool:
        while True:
            moved = self._moved
            if await self._reader.read(condition):
                return True
            if not await self._news(deadline, moved):
                return False

    async def _news(self, deadline: float, moved: asyncio.Event | None = None) -> bool:
        """Waits until the feed wrote something, or a little; returns False once it is too late."""
        left = deadline - self._loop.time()
        if left <= 0:
            return False
        try:
            await asyncio.wait_for((moved or self._moved).wait(), min(left, _SILENT_SECONDS))
        except TimeoutError:
            return self._loop.time() < deadline
        return True


def passed(view: Snapshot, place: RecordPlace) -> bool:
    """Returns whether the processors have passed a record; a broadcast one, in each partition."""
    entries = view.journal()
    if place.topic not in BROADCASTS:
        entry = entries.get(place.partition)
        return entry is not None and entry.next_offsets.get(place.topic, 0) > place.offset
    if place.topic != POLICIES:
        return False  # what processors write for each other; nobody here does
    parts = [number for topic, number in view.positions() if topic == JOURNAL]
    return len(entries) == len(parts) and all(
        entry.broadcast > place.offset for entry in entries.values()
    )


def _by_place(ends: Iterable[tuple[TopicPartition, int]]) -> dict[tuple[str, int], int]:
    return {(part.topic, part.partition): end for part, end in ends}
