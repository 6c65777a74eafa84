"""A flood of one input, or of one partition, keeps no other record waiting for longer than a second
of the engine's own clock.
"""

from dataclasses import replace

import pytest

from agents.core.batch import Slice
from agents.core.effects import Effects
from schemas.catalog import RESULTS
from schemas.codec.framing import Codec
from streams.engine.processor import Processor
from streams.engine.topology import DECIDING
from streams.kafka.memory.consumer import MemoryConsumer
from streams.kafka.memory.log import TopicPartitionKey
from tests.simulation.counting import COUNTING, Memory
from tests.support.builders import CODEC
from tests.support.still import Still, Turned, still

FLOOD = 10_000  # records of each place, fifty seconds
BEGUN = 300  # of them folded before the others come
RECORD_MS = 5  # what each takes to be folded: as the slowest do
SECOND = 1_000
PARTITIONS = 3
_BATCH = 100  # so that there is more of a flood than a worker keeps


class FloodFirst(MemoryConsumer):
    """Hands over the whole flood before anything else, unless it is paused: what librdkafka's one
    queue comes to where the flood was fetched first.
    """

    flooded: list[TopicPartitionKey]

    def _pick(self, ready: list[TopicPartitionKey]) -> TopicPartitionKey:
        return next((place for place in self.flooded if place in ready), ready[0])


class Flooded:
    """A worker with flooded places; it notes at which moment each record was folded.

    In the middle of the flood, while one of its pieces is folded, a record comes at each other
    place.
    """

    def __init__(self, one: Still, flooded: list[TopicPartitionKey]) -> None:
        self._one, self._flooded = one, flooded
        numbers = range(one.settings.partitions)
        places = [(topic, p) for topic in DECIDING.inputs for p in numbers]
        self._others = [place for place in places if place not in flooded]
        self._sent_at, self._folded = 0, 0
        self._offsets: dict[TopicPartitionKey, int] = {}
        self.waited_ms: dict[TopicPartitionKey, int] = {}
        topology = replace(COUNTING, inputs=DECIDING.inputs, first=DECIDING.first, fold=self._fold)
        self._turned = Turned(Processor(one.settings, CODEC, topology=topology), one)  # type: ignore[arg-type]

    def run(self) -> dict[TopicPartitionKey, int]:
        """How long each of the others waited, ms."""
        member = self._turned.worker._member
        self._turned.until(lambda: bool(member.owned))  # at its start specs come before all else
        for place in self._flooded:
            for _ in range(FLOOD):
                self._one.kafka.write(place, None, b"flood")
        self._turned.until(lambda: self.waited_ms.keys() == set(self._others), turn_ms=1)
        assert self._folded < FLOOD, "the flood was over before the others were folded"
        return self.waited_ms

    def _fold(self, piece: Slice, _memory: Memory, _codec: Codec) -> Effects:
        place = piece.topic, piece.partition
        if place in self._flooded and self._folded > BEGUN and not self._offsets:
            self._others_come()
        self._one.now += RECORD_MS * len(piece.records)
        self._folded += len(piece.records) if place in self._flooded else 0
        if self._offsets.get(place, piece.next_offset) < piece.next_offset:
            self.waited_ms.setdefault(place, self._one.now - self._sent_at)
        return Effects(applied=len(piece.records))

    def _others_come(self) -> None:
        self._sent_at = self._one.now
        for place in self._others:
            self._offsets[place] = self._one.kafka.write(place, None, b"one")


def waited(flooded: list[TopicPartitionKey]) -> dict[TopicPartitionKey, int]:
    with still(batch=_BATCH, partitions=PARTITIONS) as one:
        one.consumer = type("FloodFirst", (FloodFirst,), {"flooded": flooded})
        return Flooded(one, flooded).run()


@pytest.mark.parametrize("topic", DECIDING.inputs)
def test_a_flood_of_an_input_keeps_no_other_waiting(topic: str) -> None:
    flooded = [(topic, partition) for partition in range(PARTITIONS)]
    found = waited(flooded)
    assert {other for other, _ in found} == set(DECIDING.inputs) - {topic}
    assert max(found.values()) <= SECOND


def test_a_flood_of_a_partition_keeps_no_other_waiting() -> None:
    assert max(waited([(RESULTS, 2)]).values()) <= SECOND
