"""Tells of sources whose records are mostly invalid, and stops a partition only where all of them
are.

A partition is shared, so that pausing it for one broken producer would stop everybody else on it.
What a broken producer sends becomes dead letters, each with its reason, and the others go on. Where
every source is bad, it is the schemas or this program that broke, and who prefers to stop then may
say so.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from schemas.ids import tenant_of
from streams.runtime.metrics import BREAKER_OPEN, GARBAGE_SOURCES

log = logging.getLogger("mendstream.breaker")

LOOKED_AT = 1_000  # records of a source, or of a partition; half of them invalid trips it
SOURCES_MIN = (
    3  # of which all are bad before a partition is stopped; fewer may be one producer's doing
)
SOURCES_MAX = (
    1_000  # told apart in a partition; more names than that are made up, and counted as one
)
FORGOTTEN = (
    100_000  # records of a partition after which a source that sent none of them is forgotten
)
QUIET_MS = (
    3_600_000  # of the partition's clock, after which a source that sent nothing is counted no more
)
OTHERS = "all others"
NO_KEY = "records without a readable key"
_SHOWN = 100  # characters of a source's name in the log

Key = str | bytes | None


class HasKey(Protocol):
    """A record with the key that its sender gave it."""

    def key(self) -> Key: ...


@dataclass(slots=True)
class _Source:
    """seen, bad: records of late, halved at each LOOKED_AT of them; last: the partition's count at
    its last record; at: the partition's clock then, ms.
    """

    seen: int = 0
    bad: int = 0
    tripped: bool = False
    last: int = 0
    at: int = 0


@dataclass(slots=True)
class _Partition:
    """total: records so far; clean_at: that count when a source that is not tripped last sent a
    valid record.
    """

    total: int = 0
    clean_at: int = 0
    swept_at: int = 0
    opened: bool = False
    sources: dict[str, _Source] = field(default_factory=dict)


class Breaker:
    """Counts valid and invalid records of each source of a topic partition, over its last LOOKED_AT
    or so.
    """

    def __init__(self, pauses: bool = False) -> None:
        """pauses: whether a partition of which all sources are bad is stopped, instead of told of
        alone.
        """
        self._pauses = pauses
        self._partitions: dict[tuple[str, int], _Partition] = {}

    def reset(self) -> None:
        """Forgets all: partitions that are assigned anew are read again, and may trip again."""
        for topic, partition in self._partitions:
            BREAKER_OPEN.labels(topic, str(partition)).set(0)
            GARBAGE_SOURCES.labels(topic, str(partition)).set(0)
        self._partitions = {}

    def opened(self, topic: str, partition: int) -> bool:
        """Returns True while the partition is to stay paused."""
        found = self._partitions.get((topic, partition))
        return found is not None and found.opened

    def trips(
        self,
        topic: str,
        partition: int,
        records: Collection[HasKey],
        refused: Collection[Key],
        now: int,
    ) -> bool:
        """Notes records, and the keys of those that were refused; True if the partition is to be
        paused.

        now: the partition's clock, ms.
        """
        here = self._partitions.setdefault((topic, partition), _Partition())
        here.total += len(records)
        if not refused and not here.sources:
            here.clean_at = here.total
            return False
        bad = Counter(map(source_of, refused))
        for name, count in Counter(source_of(record.key()) for record in records).items():
            source = self._note(here, name, count, bad[name], f"{topic}/{partition}")
            if source is not None:
                source.at = now
        if here.total - here.swept_at >= FORGOTTEN:
            _sweep(here)
        self._show(here, topic, partition, now)
        tripped = sum(source.tripped for source in here.sources.values())
        return self._stops(here, tripped, topic, partition)

    def passed(self, topics: Iterable[str], partition: int, now: int) -> None:
        """Time passed in a partition: whoever has been quiet for long is counted no more, until it
        sends again.
        """
        for topic in topics:
            here = self._partitions.get((topic, partition))
            if here is not None and here.sources:
                self._show(here, topic, partition, now)

    def _show(self, here: _Partition, topic: str, partition: int, now: int) -> None:
        """Of a paused partition nothing comes, so that its sources are counted however long they
        are quiet.
        """
        shown = [
            one
            for one in here.sources.values()
            if one.tripped and (here.opened or now - one.at < QUIET_MS)
        ]
        GARBAGE_SOURCES.labels(topic, str(partition)).set(len(shown))

    def _note(
        self, here: _Partition, name: str, count: int, bad: int, place: str
    ) -> _Source | None:
        """Counts records of a source; returns it where it is followed."""
        source = here.sources.get(name)
        if source is None:
            if not bad:
                here.clean_at = here.total  # who sends nothing wrong is not followed
                return None
            name = name if len(here.sources) < SOURCES_MAX else OTHERS
            source = here.sources.setdefault(name, _Source())
        source.seen, source.bad, source.last = source.seen + count, source.bad + bad, here.total
        enough = source.seen >= LOOKED_AT
        if enough and 2 * source.bad >= source.seen and not source.tripped:
            source.tripped = True
            log.error(
                "%s: %d of the last %d records of %r were invalid. The others go on. The dead "
                "letters hold what was "
                "refused: mend the producer, then `mendstream redrive` what can be used after all.",
                place,
                source.bad,
                source.seen,
                name[:_SHOWN],
            )
        elif enough and 2 * source.bad < source.seen:
            source.tripped = False
        if not source.tripped and bad < count:
            here.clean_at = here.total
        while source.seen >= LOOKED_AT:
            source.seen, source.bad = source.seen // 2, source.bad // 2
        if not source.bad and not source.tripped:
            del here.sources[name]
        return source

    def _stops(self, here: _Partition, tripped: int, topic: str, partition: int) -> bool:
        all_bad = tripped >= SOURCES_MIN and here.total - here.clean_at >= LOOKED_AT
        if not (self._pauses and all_bad) or here.opened:
            BREAKER_OPEN.labels(topic, str(partition)).set(here.opened)
            return False
        here.opened = True
        BREAKER_OPEN.labels(topic, str(partition)).set(1)
        log.error(
            "%s/%d: paused, for all of its %d sources send what is mostly invalid: "
            "MENDSTREAM_BREAKER is true. Mend the "
            "schemas, or use the release that reads them, then restart this worker; with "
            "MENDSTREAM_BREAKER=false it "
            "goes on and makes dead letters of the rest.",
            topic,
            partition,
            tripped,
        )
        return True


def source_of(key: Key) -> str:
    """Returns the sender of a record by its key alone: the tenant, or the subject that names none.

    >>> source_of(b"acme/bot"), source_of(b"bot"), source_of(None) == NO_KEY
    ('acme', 'bot', True)
    """
    if key is None:
        return NO_KEY
    try:
        name = key.decode() if isinstance(key, bytes) else key
    except UnicodeDecodeError:
        return NO_KEY
    return tenant_of(name) if "/" in name else name


def _sweep(here: _Partition) -> None:
    here.swept_at = here.total
    here.sources = {
        n: source for n, source in here.sources.items() if here.total - source.last < FORGOTTEN
    }
