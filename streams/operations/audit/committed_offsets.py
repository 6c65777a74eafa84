"""Compares the offsets that the group committed with the journal: they were committed together, so
they must agree.
"""

from collections.abc import Sequence

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.catalog import INPUTS, JOURNAL
from schemas.codec.framing import Codec
from streams.kafka.reading import committed, committed_reader, end_offsets, read
from streams.operations.audit.checks import Check
from streams.operations.audit.journal_chain import History, history
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings

TRIES = 3
PAUSE_SECONDS = 0.5

Offsets = dict[str, int]


def check_offsets(
    settings: Settings,
    codec: Codec,
    client: AdminClient,
    histories: Sequence[History],
    check: Check,
) -> None:
    """Looks a few times at partitions that disagree: only what stays so is found."""
    wrong = {one.partition: one for one in histories}
    said: dict[int, str] = {}
    for attempt in range(TRIES):
        if attempt:
            wait_until(lambda: False, PAUSE_SECONDS)
            wrong = {p: history(settings, codec, client, p, Check("again")) for p in wrong}
        said = _disagreeing(settings, codec, client, wrong)
        wrong = {p: wrong[p] for p in said}
        if not wrong:
            return
    for sentence in said.values():
        check.find(sentence)


def _disagreeing(
    settings: Settings, codec: Codec, client: AdminClient, read_before: dict[int, History]
) -> dict[int, str]:
    """By partition, how the group and the journal disagree.

    A worker may commit while we look. What the group says must then be what the journal said at one
    of the entries from the last one read before to the last one there is after.
    """
    group = _committed(settings, list(read_before))
    found: dict[int, str] = {}
    for p, before in read_before.items():
        offsets = {topic: offset for (topic, partition), offset in group.items() if partition == p}
        steps = [before.next_offsets, *_later(settings, codec, client, before)]
        if offsets not in steps:
            found[p] = (
                f"partition {p}: the journal ends at {steps[-1]}, the group {settings.group!r} at "
                f"{offsets}"
            )
    return found


def _committed(settings: Settings, partitions: Sequence[int]) -> dict[tuple[str, int], int]:
    """The group's offsets, asked by a client that never joins it; waits for transactions under
    way.
    """
    consumer = committed_reader(settings, group=settings.group)
    try:
        return committed(
            consumer, [TopicPartition(topic, p) for topic in INPUTS for p in partitions], settings
        )
    finally:
        consumer.close()


def _later(settings: Settings, codec: Codec, client: AdminClient, before: History) -> list[Offsets]:
    """The next offsets of the entries written since a journal was read; waits for transactions
    under way.
    """
    part = TopicPartition(JOURNAL, before.partition)
    end = end_offsets(client, [part])[part]
    ranges = {(JOURNAL, before.partition): (before.end, end)}
    entries = (
        codec.decode("JournalEntry", m.value()) for batch in read(settings, ranges) for m in batch
    )
    return [dict(entry.next_offsets) for entry in entries]  # type: ignore[attr-defined]
