"""A poll's messages, by topic partition."""

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalog import METRICS, RESULTS, SPECS, STATUS, TICKS
from streams.engine.topology import DECIDING
from streams.kafka.batches import by_place

PLACES = st.tuples(st.sampled_from([RESULTS, METRICS, SPECS, STATUS, TICKS]), st.integers(0, 5))


def message(topic: str, partition: int, offset: int) -> Message:
    return Message(topic=topic, partition=partition, offset=offset, value=b"")


@given(st.lists(st.tuples(PLACES, st.integers(1, 4)), max_size=30))
def test_every_message_stands_with_its_own_in_their_order(
    runs: list[tuple[tuple[str, int], int]],
) -> None:
    places = [place for place, length in runs for _ in range(length)]
    messages = [message(*place, offset) for offset, place in enumerate(places)]
    found = by_place(messages, DECIDING.inputs)
    for topic, partition, records in found:
        wanted = [one for one in messages if (one.topic(), one.partition()) == (topic, partition)]
        assert [id(one) for one in records] == [id(one) for one in wanted]
    assert sum(len(records) for _, _, records in found) == len(messages)


def test_specs_and_statuses_come_before_what_they_speak_of() -> None:
    mixed = [message(topic, 0, 7) for topic in (TICKS, RESULTS, STATUS, METRICS, SPECS)]
    assert [topic for topic, _, _ in by_place(mixed, DECIDING.inputs)][:2] == [SPECS, STATUS]
