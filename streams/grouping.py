"""Sorts what a poll brought by topic partition, what is judged by before what is judged."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from confluent_kafka import Message


def by_place(messages: list[Message], order: Sequence[str]) -> list[tuple[str, int, list[Message]]]:
    """(topic, partition, records in their order) of records of these topics, which come in this order.

    A poll hands them over in long runs of one partition, so that no step but the first is taken for each record.
    """
    if not messages:
        return []
    rank_of: dict[str | None, int] = {topic: rank for rank, topic in enumerate(order)}
    topics = list(map(Message.topic, messages))
    places = np.fromiter(map(Message.partition, messages), np.int64, len(messages)) * len(order)
    different = set(topics)
    if len(different) == 1:
        places += rank_of[different.pop()]
    else:
        places += np.fromiter(map(rank_of.__getitem__, topics), np.int64, len(topics))
    starts = np.concatenate([[0], np.flatnonzero(np.diff(places)) + 1])
    ends = np.append(starts[1:], len(messages))
    found: dict[int, list[Message]] = defaultdict(list)
    for place, start, end in zip(places[starts].tolist(), starts.tolist(), ends.tolist(), strict=True):
        found[place] += messages[start:end]
    ranked = sorted((place % len(order), place // len(order), records) for place, records in found.items())
    return [(order[rank], partition, records) for rank, partition, records in ranked]
