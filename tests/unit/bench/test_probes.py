"""A probe's last record, and no record before it, must bring a command."""

from agents.flow.pipeline import fold
from schemas.catalog import COMMANDS, RESULTS, SPECS
from schemas.records import Order
from state.partition.partition_state import PartitionState
from streams.bench.probes import LENGTH, records_of, spec_of, subject_of
from tests.support.builders import CODEC, NOON, piece, sent


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
