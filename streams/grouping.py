"""Sorts what a poll brought by topic partition, specs and statuses before the records that they speak of."""

from collections import defaultdict

import numpy as np
from confluent_kafka import Message

from schemas.catalog import METRICS, RESULTS, SPECS, STATUS, TICKS

FIRST = (SPECS, STATUS)  # what other records are judged by
_ORDER = (*FIRST, METRICS, RESULTS, TICKS)
_RANK: dict[str | None, int] = {topic: rank for rank, topic in enumerate(_ORDER)}


def by_place(messages: list[Message]) -> list[tuple[str, int, list[Message]]]:
    """(topic, partition, records in their order) of input records.

    A poll hands them over in long runs of one partition, so that no step but the first is taken for each record.
    """
    if not messages:
        return []
    topics = list(map(Message.topic, messages))
    places = np.fromiter(map(Message.partition, messages), np.int64, len(messages)) * len(_ORDER)
    different = set(topics)
    if len(different) == 1:
        places += _RANK[different.pop()]
    else:
        places += np.fromiter(map(_RANK.__getitem__, topics), np.int64, len(topics))
    starts = np.concatenate([[0], np.flatnonzero(np.diff(places)) + 1])
    ends = np.append(starts[1:], len(messages))
    found: dict[int, list[Message]] = defaultdict(list)
    for place, start, end in zip(places[starts].tolist(), starts.tolist(), ends.tolist(), strict=True):
        found[place] += messages[start:end]
    ranked = sorted((place % len(_ORDER), place // len(_ORDER), records) for place, records in found.items())
    return [(_ORDER[rank], partition, records) for rank, partition, records in ranked]
