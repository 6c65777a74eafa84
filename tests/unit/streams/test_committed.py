"""From where on a restarted executor reads: nothing under way is passed over."""

import asyncio
from collections.abc import Iterator
from typing import Any

import faust
import pytest
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams.executor.faust_transport import Transport

PART = TP("commands.deploy.v1", 0)


class Partition:
    """A consumer that holds one partition of which records come, as the conductor and a stream
    would have them come.
    """

    def __init__(self) -> None:
        app: Any = faust.App(
            "test", broker="kafka://127.0.0.1:1", store="memory://", web_enabled=False
        )
        app.topics.acks_enabled_for = lambda _topic: True
        made: Any = Transport(app.conf.broker_consumer, app)
        self._consumer = made.create_consumer(
            print, on_partitions_revoked=print, on_partitions_assigned=print
        )
        self._messages: dict[int, Any] = {}

    def close(self) -> None:
        """Faust makes loops as soon as it makes a consumer."""
        for loop in (self._consumer._thread.thread_loop, self._consumer.loop):
            loop.close()

    def takes(self, *offsets: int) -> None:
        for offset in offsets:
            given: list[Any] = [PART.topic, 0, offset, 0.0, 0, [], b"k", b"v", None, 1, 1, PART]
            self._messages[offset] = ConsumerMessage(*given)
            self._consumer.track_message(self._messages[offset])

    def is_done_with(self, *offsets: int) -> None:
        for offset in offsets:
            self._consumer.ack(self._messages[offset])

    def next_offset(self) -> int | None:
        found: int | None = self._consumer._new_offset(PART)
        return found


@pytest.fixture
def partition() -> Iterator[Partition]:
    held = Partition()
    yield held
    held.close()


def test_nothing_is_committed_before_anything_is_done(partition: Partition) -> None:
    assert partition.next_offset() is None
    partition.takes(5, 6)
    assert partition.next_offset() is None


def test_what_is_under_way_is_read_again_however_much_behind_it_is_done(
    partition: Partition,
) -> None:
    partition.takes(5, 7, 9)  # markers of transactions lie between
    partition.is_done_with(9)
    assert partition.next_offset() == 5
    partition.is_done_with(5)
    assert partition.next_offset() == 7
    partition.is_done_with(7)
    assert partition.next_offset() == 10


def test_aborted_records_are_passed_over(partition: Partition) -> None:
    partition.takes(5)
    partition.is_done_with(5)
    assert partition.next_offset() == 6
    partition.takes(90)
    assert partition.next_offset() == 6
    partition.is_done_with(90)
    assert partition.next_offset() == 91
    assert partition.next_offset() == 91


def test_the_count_does_not_grow_with_what_is_done(partition: Partition) -> None:
    for offset in range(0, 200, 2):
        partition.takes(offset)
        partition.is_done_with(offset)
        partition.next_offset()
    consumer = partition._consumer
    assert (
        len(consumer._acked[PART]),
        len(consumer._acked_index[PART]),
        len(consumer._gap[PART]),
    ) == (0, 0, 0)


def test_the_consumer_is_made_to_read_committed_records_only() -> None:
    async def level() -> str:
        held = Partition()
        thread = held._consumer._thread
        made = thread._create_worker_consumer(held._consumer.transport)
        thread.thread_loop.close()
        made._closed = True  # it was never started
        return str(made._isolation_level)

    assert asyncio.run(level()) == "read_committed"
