"""Sorts what a poll brought by topic partition, what is judged by before what is judged."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from confluent_kafka import Message


def runs(messages: list[Message]) -> dict[tuple[str, int], list[Message]]:
    """The records of each (topic, partition), in their order.

    Kafka hands them over in long runs of one partition, so that no step but the first is taken for
    each record.
    """
    if not messages:
        return {}
    topics = list(map(Message.topic, messages))
    codes = {topic: code for code, topic in enumerate(set(topics))}
    places = np.fromiter(map(Message.partition, messages), np.int64, len(messages)) * len(codes)
    if len(codes) > 1:
        places += np.fromiter(map(codes.__getitem__, topics), np.int64, len(topics))
    starts = np.concatenate([[0], np.flatnonzero(np.diff(places)) + 1])
    ends = np.append(starts[1:], len(messages))
    found: dict[tuple[str, int], list[Message]] = defaultdict(list)
    for place, start, end in zip(
        places[starts].tolist(), starts.tolist(), ends.tolist(), strict=True
    ):
        found[topics[start] or "", place // len(codes)] += messages[start:end]
    return found


def by_place(messages: list[Message], order: Sequence[str]) -> list[tuple[str, int, list[Message]]]:
    """(topic, partition, records in their order) of records of these topics, which come in this
    order.
    """
    rank_of = {topic: rank for rank, topic in enumerate(order)}
    places = runs(messages)
    return [
        (*place, places[place])
        for place in sorted(places, key=lambda place: (rank_of[place[0]], place[1]))
    ]
