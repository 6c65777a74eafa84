"""Faust's Kafka transport with two faults mended: what was aborted is not read, and what is under
way is not committed.

Faust reads uncommitted records unless it produces in transactions itself. And its count of what is
done passes over a record that is still under way when later ones, or the marker of a transaction,
lie behind it; after a restart that record would never come again.
"""

from typing import Any

import faust
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import Message

LEVEL = "read_committed"


class _Thread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        assert hasattr(consumer, "_isolation_level"), "aiokafka keeps its level until its start"
        consumer._isolation_level = LEVEL
        return consumer


class _Consumer(driver.Consumer):
    def __init__(self, *args: Any, **more: Any) -> None:
        self._done: dict[TP, int] = {}  # the highest offset done with, of each partition ever held
        super().__init__(*args, **more)

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    def ack(self, message: Message) -> bool:
        fresh = super().ack(message)
        self._done[message.tp] = max(message.offset, self._done.get(message.tp, -1))
        return fresh

    def _new_offset(self, tp: TP) -> int | None:
        """From where on a restart must read: the first record under way, or what follows the last
        one done with.
        """
        for counted in (
            self._acked,
            self._acked_index,
            self._gap,
        ):  # Faust's own count, which would only grow
            counted[tp].clear()
        if tp not in self._done:
            return None
        under_way = (
            each.offset for each in self._unacked_messages if each.tp == tp and not each.acked
        )
        return min((*under_way, self._done[tp] + 1))

    def backlog(self) -> dict[TP, int]:
        """Offsets of each partition that Kafka has and we have not taken; an open transaction's and
        what follows it too.
        """
        consumer, found = self._thread._consumer, dict[TP, int]()
        if consumer is None:
            return found
        for tp in consumer.assignment():
            state = consumer._subscription.subscription.assignment.state_value(tp)
            if state is not None and state.highwater is not None and state.has_valid_position:
                found[TP(tp.topic, tp.partition)] = max(0, state.highwater - state.position)
        return found


class Transport(driver.Transport):
    """To be set as the `transport` of an application."""

    Consumer = _Consumer


def backlog(app: faust.App) -> dict[TP, int]:
    """Returns the number of records that wait for an application, by partition.

    It is empty before the application is assigned any.
    """
    consumer = app.consumer
    return consumer.backlog() if isinstance(consumer, _Consumer) else {}
