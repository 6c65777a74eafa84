"""The dry run: what would come of the newest records of each source. Nothing is written."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Message

from agents.core.effects import Output
from ingest.mapping import IngestMap
from ingest.reading import Refused
from streams.ingestion.fold import Folder
from streams.ingestion.sources import partitions_of
from streams.ingestion.worker import own_settings
from streams.kafka.reading import admin, end_offsets, read, start_offsets
from streams.runtime.settings import Settings

EXAMPLES = 3  # shown of what would be written, and of refusals of each source
_END_OF_TIME = 2**53  # every unit's time has come


@dataclass(slots=True)
class DryRunOfSource:
    """What would come of the records of one source. refused: (partition, offset, why) of the
    first.
    """

    topic: str
    records: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, int, Refused]] = field(default_factory=list)


@dataclass(slots=True)
class DryRun:
    """What would come of all sources. fates: of units; their windows are taken for over."""

    sources: list[DryRunOfSource]
    outputs: list[Output]
    fates: Counter[str]


def sample(settings: Settings, ingest: IngestMap, most: int, now: int) -> DryRun:
    """Folds the newest records of each source, at most so many, as if nothing had been read
    before.
    """
    folder, outputs = Folder(ingest), list[Output]()
    found = {source.topic: DryRunOfSource(source.topic) for source in ingest.sources}
    for message in _newest(own_settings(settings, ingest), ingest, most):
        one = found[message.topic() or ""]
        folded = folder.take(message, now)
        one.records += 1
        one.fates += folded.fates
        outputs += folded.outputs
        if folded.refused is not None and len(one.refused) < EXAMPLES:
            one.refused.append((message.partition() or 0, message.offset() or 0, folded.refused))
    before = folder.join.fates.copy()
    outputs += folder.due(_END_OF_TIME)[0]
    return DryRun(list(found.values()), outputs, folder.join.fates - before)


def _newest(settings: Settings, ingest: IngestMap, most: int) -> Iterator[Message]:
    """The newest records of each source, each partition's in order."""
    client = admin(settings)
    parts = partitions_of(client, settings, ingest)
    starts, ends = start_offsets(client, parts), end_offsets(client, parts, committed_only=True)
    for source in ingest.sources:
        own = [part for part in parts if part.topic == source.topic]
        ranges = {
            (part.topic, part.partition): (max(starts[part], ends[part] - most), ends[part])
            for part in own
        }
        messages = [message for batch in read(settings, ranges) for message in batch]
        yield from _last(messages, most)


def _last(messages: Sequence[Message], most: int) -> list[Message]:
    newest = sorted(messages, key=lambda message: message.timestamp()[1])[-most:]
    return sorted(newest, key=lambda message: (message.partition() or 0, message.offset() or 0))
