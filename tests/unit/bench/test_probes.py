"""A probe's last record, and no record before it, must bring a command."""

from agents.flow.pipeline import fold
from schemas.catalog import COMMANDS, RESULTS, SPECS
from schemas.records import Order, RollbackCommand
from state.partition.partition_state import PartitionState
from streams.bench.probes import LENGTH, POLICY, records_of, spec_of, subject_of
from tests.support.builders import CODEC, NOON, piece, sent
from tests.support.loop import Loop

MINUTE = 60_000


def test_only_the_last_record_of_a_probe_orders_a_rollback_of_its_subject() -> None:
    tables = PartitionState(0, 1)
    assert fold(piece(SPECS, sent([spec_of(7)])), tables, CODEC).applied == 1
    records = records_of(7, NOON)
    assert len(records) == LENGTH
    before = fold(piece(RESULTS, sent(records[:-1])), tables, CODEC)
    assert (before.applied, before.outputs) == (LENGTH - 1, ())
    last = fold(piece(RESULTS, sent(records[-1:], LENGTH - 1)), tables, CODEC)
    assert [output.key for output in last.outputs if output.topic == COMMANDS[Order.ROLLBACK]] == [
        subject_of(7)
    ]


def test_no_clock_makes_a_verdict_of_what_is_sent_in_advance() -> None:
    """The record that is timed comes minutes after the others where there are many probes."""
    loop = Loop(POLICY)
    loop.send(SPECS, [spec_of(number) for number in range(5)])
    for number in range(5):
        loop.send(RESULTS, records_of(number, loop.now)[:-1])
    for _ in range(20):
        loop.wait(MINUTE)
    assert [one for one in loop.outputs if isinstance(one.record, RollbackCommand)] == []
    for number in range(5):
        loop.send(RESULTS, records_of(number, loop.now)[-1:])
    ordered = [one.key for one in loop.outputs if isinstance(one.record, RollbackCommand)]
    assert ordered == [subject_of(number) for number in range(5)]
