"""A flood is put aside and taken up again, on a real Kafka: each of its records is applied once, in
its order, and others come in between.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from confluent_kafka import Consumer

from agents.core.batch import Slice
from agents.core.effects import Effects
from schemas.catalog import METRICS, RESULTS, TABLES_ARMS, TABLES_METRICS
from schemas.codec.framing import Codec
from schemas.records import ArmRow, MetricRow
from state.partition.partition_state import PartitionState
from streams.engine.backlog import Backlog
from streams.engine.topology import DECIDING
from streams.runtime.clock import monotonic
from streams.runtime.settings import Settings
from tests.support.builders import metric, result
from tests.support.kafka.logs import delivered, ends_of, fates, send, table
from tests.support.kafka.running import Threaded, own_topics

pytestmark = pytest.mark.kafka
FLOOD, OTHERS = 6_000, 400  # records
SUBJECTS = 8
RECORD_SECONDS = 2e-4  # what each takes at least to be folded


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    """A worker that keeps little of a place, so that a flood is put aside again and again."""
    with own_topics(kafka, batch=100, dedupe_window=1_000_000) as chosen:
        yield chosen


def slowly(piece: Slice, state: PartitionState, codec: Codec) -> Effects:
    """As a fold whose records take their time: it computes for as long."""
    until = monotonic() + RECORD_SECONDS * len(piece.records)
    effects = DECIDING.fold(piece, state, codec)
    while monotonic() < until:
        pass
    return effects


def test_a_flood_is_put_aside_and_taken_up_again_and_nothing_of_it_is_lost(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests, regulate = [0], Backlog.regulate

    def counted(one: Backlog, consumer: Consumer) -> None:
        before = set(one._resting)
        regulate(one, consumer)
        rests[0] += len(one._resting - before)

    monkeypatch.setattr(Backlog, "regulate", counted)
    names = [f"flooded-{number % SUBJECTS}" for number in range(FLOOD)]
    send(settings, RESULTS, [result(n, subject=name) for n, name in enumerate(names)])
    send(settings, METRICS, [metric(n, subject=f"model-{n % SUBJECTS}") for n in range(OTHERS)])
    with Threaded(settings, topology=replace(DECIDING, fold=slowly)) as worker:
        worker.takes_in(ends_of(settings, RESULTS) | ends_of(settings, METRICS))
    assert rests[0] > 4, "the flood was never put aside"
    found = fates(settings)
    assert (found.all(), found.duplicates, found.dead_letters) == (delivered(settings), 0, 0)
    arms = [row for row in table(settings, TABLES_ARMS).values() if isinstance(row, ArmRow)]
    assert sum(row.count for row in arms if row.segment is None) == FLOOD
    watched = [
        row for row in table(settings, TABLES_METRICS).values() if isinstance(row, MetricRow)
    ]
    assert {row.subject for row in watched} == {f"model-{n}" for n in range(SUBJECTS)}
