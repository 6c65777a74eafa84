"""A turn ends within half a second or so, however long a record takes to be folded."""

from dataclasses import replace

from agents.core.batch import Slice
from agents.core.effects import Effects
from schemas.catalog import RESULTS
from schemas.codec.framing import Codec
from state.partition.partition_state import PartitionState
from streams.engine.batch_size import RECORDS_MIN, TURN_SECONDS, BatchSize
from streams.engine.processor import Processor
from streams.engine.topology import DECIDING
from tests.support.builders import CODEC
from tests.support.still import Still, Turned, still

MOST = 20_000


def grown(seconds: float, turns: int = 10) -> BatchSize:
    """The size after full turns of which each record took so long."""
    size = BatchSize(MOST)
    for _ in range(turns):
        size.folded(size.records, size.records * seconds)
    return size


def test_a_turn_takes_the_most_where_records_are_quick() -> None:
    assert grown(1e-6).records == MOST


def test_a_turn_takes_what_is_folded_within_its_time_where_they_are_slow() -> None:
    assert TURN_SECONDS / 2 <= grown(1e-4).records * 1e-4 <= TURN_SECONDS


def test_a_turn_is_no_smaller_than_what_its_own_costs_are_worth() -> None:
    assert grown(1.0).records == RECORDS_MIN


def test_a_turn_that_was_not_full_says_nothing_of_more_records() -> None:
    size = grown(1e-4)
    before = size.records
    size.folded(1, 1e-4)
    assert size.records == before


def test_never_more_than_the_setting_is_taken() -> None:
    size = BatchSize(10)
    size.folded(10, 1.0)
    size.folded(10, 1e-6)
    assert size.records == 10


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
        assert max(lengths) <= 2 * RECORDS_MIN
        assert max(lengths[3:]) * 1e-3 <= TURN_SECONDS + 1e-3
