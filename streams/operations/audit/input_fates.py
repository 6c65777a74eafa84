"""Counts the inputs against the journal: every record before its next offsets had one fate, and
each dead letter is one.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient
from numpy.typing import NDArray

from schemas.catalog import DEAD_LETTERS, INPUTS
from streams.kafka.batches import by_place
from streams.kafka.dead_letters import origin
from streams.kafka.reading import end_offsets, read, start_offsets
from streams.operations.audit.checks import Check
from streams.operations.audit.journal_chain import History, Slices
from streams.runtime.settings import Settings

Ints = NDArray[np.int64]


def check_fates(
    settings: Settings, client: AdminClient, histories: Sequence[History], check: Check
) -> int:
    """Reads every input up to the journal's next offsets; returns how many records it counted."""
    return sum(_count(settings, client, one, check) for one in histories)


def check_letters(
    settings: Settings, client: AdminClient, histories: Sequence[History], check: Check
) -> int:
    """Reads the dead letters, the journal having been read before; returns how many there are."""
    parts = [TopicPartition(DEAD_LETTERS, p) for p in range(settings.partitions)]
    starts, ends = start_offsets(client, parts), end_offsets(client, parts)
    nexts = {
        (topic, one.partition): offset
        for one in histories
        for topic, offset in one.next_offsets.items()
    }
    places: set[tuple[str, int, int]] = set()
    counted: Counter[int] = Counter()
    number = 0
    for batch in read(settings, {(p.topic, p.partition): (starts[p], ends[p]) for p in parts}):
        for message in batch:
            number += 1
            where = f"{DEAD_LETTERS}/{message.partition()} offset {message.offset()}"
            place = origin(message)
            if place is None:
                check.find(f"{where} does not say where it came from: somebody else wrote it")
            elif place in places:
                check.find(
                    f"{where} is the second dead letter of {place[0]}/{place[1]} offset {place[2]}"
                )
            else:
                places.add(place)
                counted[place[1]] += place[0] in INPUTS and place[2] < nexts.get(place[:2], 0)
    for one in histories:
        said = one.last.dead_letters if one.last is not None else 0
        if any(starts.values()):
            check.leave(
                "dead letters are not counted against the journal: retention took the first of them"
            )
        elif said != counted[one.partition]:
            check.find(
                f"partition {one.partition}: the journal counts {said} dead letters, "
                f"{counted[one.partition]} stand"
            )
    return number


def _count(settings: Settings, client: AdminClient, one: History, check: Check) -> int:
    """Returns whether each entry's slices hold as many records as it gave a fate, and no record
    lies outside of all slices.
    """
    parts = [TopicPartition(topic, one.partition) for topic in one.slices]
    starts = {part.topic: start for part, start in start_offsets(client, parts).items()}
    ends = {part.topic: end for part, end in end_offsets(client, parts).items()}
    columns = {topic: _columns(slices) for topic, slices in one.slices.items()}
    held = np.zeros(len(one.numbers), np.int64)
    ranges = {}
    for topic in one.slices:
        upto = one.next_offsets.get(topic, 0)
        if upto > ends[topic]:
            check.find(
                f"{topic}/{one.partition} ends at {ends[topic]}, the journal at {upto}: was the "
                "topic made anew?"
            )
        ranges[topic, one.partition] = starts[topic], min(upto, ends[topic])
    for batch in read(settings, ranges):
        for topic, _, messages in by_place(batch, INPUTS):
            offsets = np.fromiter(map(Message.offset, messages), np.int64, len(messages))
            outside = _hold(offsets, *columns[topic], held)
            for offset in outside.tolist():
                check.find(
                    f"{topic}/{one.partition} offset {offset} was passed over: no entry applied it"
                )
    gone = np.zeros(len(held), np.bool_)
    for topic, (firsts, _, entries) in columns.items():
        gone[entries[firsts < starts[topic]]] = True
    if gone.any():
        check.leave(
            f"partition {one.partition}: records of {int(gone.sum())} entries are gone from the "
            "inputs"
        )
    fates = np.frombuffer(one.fates, np.int64) if len(one.fates) else held
    for at in np.flatnonzero(~gone & (fates != held)).tolist():
        check.find(
            f"partition {one.partition}, entry {one.numbers[at]}: its slices hold {held[at]} "
            "records, "
            f"it gave {fates[at]} a fate"
        )
    return int(held.sum())


def _columns(slices: Slices) -> tuple[Ints, Ints, Ints]:
    """First and next offsets and the index of the entry, in the order of first offsets."""
    firsts, nexts, entries = (
        np.array(each, np.int64) for each in (slices.firsts, slices.nexts, slices.entries)
    )
    order = np.argsort(firsts, kind="stable")
    return firsts[order], nexts[order], entries[order]


def _hold(offsets: Ints, firsts: Ints, nexts: Ints, entries: Ints, held: Ints) -> Ints:
    """Counts offsets for the entry that applied them, in place; returns those of none."""
    at = np.searchsorted(firsts, offsets, "right") - 1
    inside = (at >= 0) & (offsets < nexts[np.maximum(at, 0)])
    np.add.at(held, entries[at[inside]], 1)
    return offsets[~inside]
