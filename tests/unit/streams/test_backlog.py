"""What waits at a worker is folded in turns that end soon, place after place, however long a record
takes to be folded.
"""

from collections import Counter
from dataclasses import replace

from confluent_kafka import Message, TopicPartition

from agents.core.batch import Slice
from agents.core.effects import Effects
from schemas.catalog import METRICS, RESULTS, SPECS
from schemas.codec.framing import Codec
from state.partition.partition_state import PartitionState
from streams.engine.backlog import PIECE_MAX, PIECE_MIN, TURN_SECONDS, Backlog
from streams.engine.processor import Processor
from streams.engine.topology import DECIDING
from tests.support.builders import CODEC
from tests.support.still import Still, Turned, still

MOST = 20_000
FAST, SLOW = 1e-6, 5e-3  # seconds a record


def messages(topic: str, count: int, partition: int = 0, first: int = 0) -> list[Message]:
    return [
        Message(topic=topic, partition=partition, offset=at) for at in range(first, first + count)
    ]


class Clock:
    """Stands still unless somebody folds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def backlog(clock: Clock, most: int = MOST) -> Backlog:
    return Backlog(DECIDING.inputs, most, clock)


def turn(one: Backlog, clock: Clock, each: float) -> list[tuple[str, int, int]]:
    """One turn, of records that take so many seconds each: (topic, partition, records) of its
    pieces.
    """
    pieces = []
    for topic, partition, records in one.turn():
        clock.now += each * len(records)
        one.folded((topic, partition), len(records), each * len(records))
        pieces.append((topic, partition, len(records)))
    return pieces


def test_quick_records_are_folded_within_a_turn_in_ever_longer_pieces() -> None:
    clock = Clock()
    one = backlog(clock)
    one.add(messages(RESULTS, 20_000))
    lengths = [length for _, _, length in turn(one, clock, FAST)]
    assert lengths[:3] == [PIECE_MIN, 4 * PIECE_MIN, 16 * PIECE_MIN]
    assert (sum(lengths), max(lengths)) == (20_000, PIECE_MAX)


def test_a_turn_of_slow_records_ends_soon_and_leaves_the_rest() -> None:
    clock = Clock()
    one = backlog(clock)
    one.add(messages(RESULTS, 1_000))
    turn(one, clock, SLOW)
    began = clock.now
    assert turn(one, clock, SLOW) == [(RESULTS, 0, 40)]
    assert clock.now - began == TURN_SECONDS
    assert one.waits((RESULTS, 0))


def test_those_that_wait_have_equal_parts_of_a_turn_in_the_order_of_the_inputs() -> None:
    clock = Clock()
    one = backlog(clock)
    for topic in (RESULTS, METRICS, SPECS):
        for partition in (1, 0):
            one.add(messages(topic, 1_000, partition))
    turn(one, clock, SLOW)  # what they take is not known before
    share = int(TURN_SECONDS / 6 / SLOW)
    in_order = sorted((RESULTS, METRICS, SPECS), key=DECIDING.inputs.index)
    assert turn(one, clock, SLOW)[:6] == [
        (topic, partition, share) for topic in in_order for partition in (0, 1)
    ]


def test_what_waits_is_given_once_and_in_its_order() -> None:
    clock = Clock()
    one = backlog(clock)
    given: list[int] = []
    for first in range(0, 900, 300):
        one.add(messages(RESULTS, 300, first=first))
        for topic, partition, records in one.turn():
            clock.now += SLOW * len(records)
            one.folded((topic, partition), len(records), SLOW * len(records))
            given += [record.offset() or 0 for record in records]
    while one:
        given += [record.offset() or 0 for *_, records in one.turn() for record in records]
    assert given == list(range(900))


def test_a_flood_of_slow_records_after_few_quick_ones_begins_small() -> None:
    """A piece is at most four times as long as the one before it."""
    clock = Clock()
    one = backlog(clock)
    one.add(messages(RESULTS, 20_000))
    turn(one, clock, FAST)
    one.add(messages(RESULTS, 20))
    turn(one, clock, FAST)
    one.add(messages(RESULTS, 20_000))
    assert turn(one, clock, SLOW)[0] == (RESULTS, 0, 80)


class Fetching:
    """A consumer with one queue, as librdkafka's: what is paused is not handed over."""

    def __init__(self, queue: list[Message]) -> None:
        self.queue, self.paused = queue, set[tuple[str, int]]()

    def poll(self, _timeout: float) -> Message | None:
        return next(iter(self.consume(1)), None)

    def consume(self, count: int, timeout: float = 0.0) -> list[Message]:
        ready = [one for one in self.queue if (one.topic(), one.partition()) not in self.paused]
        taken = ready[:count]
        self.queue = [one for one in self.queue if one not in taken]
        return taken

    def pause(self, parts: list[TopicPartition]) -> None:
        self.paused |= {(part.topic, part.partition) for part in parts}

    def resume(self, parts: list[TopicPartition]) -> None:
        self.paused -= {(part.topic, part.partition) for part in parts}


def test_no_more_is_fetched_of_a_place_of_which_enough_waits_until_little_is_left() -> None:
    clock = Clock()
    one, consumer = backlog(clock, most=100), Fetching([])
    one.add(messages(RESULTS, 100))
    one.add(messages(METRICS, 99))
    one.regulate(consumer)  # type: ignore[arg-type]
    assert consumer.paused == {(RESULTS, 0)}
    turn(one, clock, SLOW)
    one.regulate(consumer)  # type: ignore[arg-type]
    assert consumer.paused == {(RESULTS, 0)}, "half of it is left"
    while one:
        turn(one, clock, SLOW)
    one.regulate(consumer)  # type: ignore[arg-type]
    assert not consumer.paused


def good(found: list[Message]) -> list[Message]:
    return found


def length(one: Backlog) -> int:
    return sum(len(records) for records in one._waiting.values())


def test_a_worker_that_keeps_up_polls_no_more_than_it_folds_and_one_that_is_behind_all() -> None:
    clock = Clock()
    consumer = Fetching([*messages(RESULTS, 60), *messages(METRICS, 60), *messages(SPECS, 60)])
    one = backlog(clock, most=100)
    one.poll(consumer, 0.0, good)  # type: ignore[arg-type]
    assert length(one) == 101
    clock.now += 1.0  # folding them took so long
    one.poll(consumer, 0.0, good)  # type: ignore[arg-type]
    assert length(one) == 180


def test_a_flood_that_is_polled_is_set_aside_at_once_for_what_is_behind_it() -> None:
    clock = Clock()
    consumer = Fetching([*messages(RESULTS, 5_000), *messages(METRICS, 1)])
    one = backlog(clock, most=100)
    one.add(messages(SPECS, 1))  # it is behind
    one.poll(consumer, 0.0, good)  # type: ignore[arg-type]
    assert (one.waits((METRICS, 0)), length(one)) == (True, 1 + 101 + 1)


def test_what_was_delivered_before_a_rebalance_is_let_go() -> None:
    clock = Clock()
    consumer = Fetching(messages(RESULTS, 250))
    one = backlog(clock, most=100)
    one.add(messages(RESULTS, 7))
    consume = consumer.consume
    rebalances = iter((False, True, False, False))  # the second call does

    def rebalancing(count: int, timeout: float = 0.0) -> list[Message]:
        if next(rebalances):
            one.clear()
        return consume(count, timeout)

    consumer.consume = rebalancing  # type: ignore[method-assign]
    one.poll(consumer, 0.0, good)  # type: ignore[arg-type]
    assert [record.offset() for record in one._waiting[RESULTS, 0]] == list(range(1, 101))


def slow(one: Still, lengths: list[int]) -> Turned:
    """A worker whose records take a millisecond each, and how many of them each slice had."""

    def fold(piece: Slice, state: PartitionState, codec: Codec) -> Effects:
        if piece.topic == RESULTS:
            one.now += len(piece.records)
            lengths.append(len(piece.records))
        return DECIDING.fold(piece, state, codec)

    topology = replace(DECIDING, fold=fold)
    return Turned(Processor(one.settings, CODEC, topology=topology), one)


def test_a_flood_of_slow_records_is_folded_in_turns_that_end_soon() -> None:
    with still() as one:
        lengths: list[int] = []
        worker = slow(one, lengths)
        for _ in range(5_000):
            one.send(RESULTS, b"garbage")
        worker.takes_in(RESULTS)
        assert sum(lengths) == 5_000
        assert max(lengths) * 1e-3 <= TURN_SECONDS + 1e-3


def test_a_place_that_is_stopped_is_let_go_and_not_asked_for_again() -> None:
    """Whoever reads it next, after the restart that is asked for, begins where the journal ends."""
    clock = Clock()
    one, consumer = backlog(clock, most=100), Fetching([])
    one.add([*messages(RESULTS, 100), *messages(METRICS, 10)])
    one.regulate(consumer)  # type: ignore[arg-type]
    one.drop((RESULTS, 0))
    one.regulate(consumer)  # type: ignore[arg-type]
    assert consumer.paused == {(RESULTS, 0)}
    assert Counter(topic for topic, _, _ in turn(one, clock, FAST)) == {METRICS: 1}
