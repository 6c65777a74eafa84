"""Writes the log that a group leaves behind which knows many arms: rows, ids on the input, a
journal that agrees.

The rows are made column by column, as no fold makes them so fast, and encoded by the processor's
own codec.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import Producer, TopicPartition

from agents.core.policies import policy_for
from agents.experiments.plan.frozen_plan import new_experiment, with_metric
from agents.experiments.plan.terms import may_command
from schemas.catalog import (
    JOURNAL,
    RESULTS,
    TABLES_ARMS,
    TABLES_EXPERIMENTS,
    TABLES_SUBJECTS,
    local_ids,
)
from schemas.codec.columns import encode_batch
from schemas.codec.flat_schema import arrow_schema
from schemas.codec.framing import Codec
from schemas.ids import event_uuid, partition_of
from schemas.records import ExperimentRow, JournalEntry, Pair, SubjectRow
from state.arms_table import ARM_NAMES, NULLABLE
from state.partition.partition_state import PartitionState
from state.storage.table import row_key
from streams.engine.topology import DECIDING
from streams.kafka.backend import backend_of
from streams.kafka.reading import admin, end_offsets
from streams.runtime.clock import now_ms
from streams.runtime.settings import Settings

METRICS = ("conversion", "error", "revenue", "latency", "clicks")
VARIANTS = ("control", "b")
SEGMENTS = (
    None,
    *(f"country={code}" for code in ("at", "be", "ch", "de", "es", "fr", "it", "nl", "pl")),
)
ROWS_EACH = len(METRICS) * len(VARIANTS) * len(SEGMENTS)  # of an experiment
EXPERIMENTS_EACH = 25  # of a subject
_CHUNK = 25_000

Rows = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Lived:
    """rows: of the hot table, over all partitions; ids: records on each partition of the
    results.
    """

    rows: int
    ids: int = 0

    def write(self, settings: Settings) -> None:
        """Writes it to topics that exist and are empty, and commits the group's offsets."""
        codec, producer = Codec(local_ids()), _producer(settings)
        each = max(1, self.rows // ROWS_EACH // EXPERIMENTS_EACH // settings.partitions)
        agents = DECIDING.agents(settings.dedupe_window, settings.learning_enabled)
        for p, subjects in enumerate(_subjects(settings.partitions, each)):
            for values in _results(subjects, self.ids, codec):
                _send(producer, RESULTS, p, [(subjects[0], value) for value in values])
            assert producer.flush(60.0) == 0
            place = TopicPartition(RESULTS, p)
            upto = {RESULTS: end_offsets(admin(settings), [place])[place]}
            rows = 0
            for topic, changed in _rows(subjects, codec):
                _send(producer, topic, p, changed)
                rows += len(changed)
            entry = JournalEntry(
                number=1,
                partition=p,
                agents=agents,
                now=now_ms(),
                steps=(),
                next_offsets=upto,
                broadcast_offset=0,
                applied=upto[RESULTS],
                duplicates=0,
                forwarded=0,
                dead_letters=0,
                rows=rows,
            )
            _send(producer, JOURNAL, p, [(str(p), codec.encode(entry))])
            _commit(settings, [TopicPartition(RESULTS, p, upto[RESULTS])])
        assert producer.flush(60.0) == 0


def _producer(settings: Settings) -> Producer:
    return backend_of(settings).producer(
        settings.client(
            **{
                "linger.ms": 20,
                "batch.size": 1_000_000,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 2_000_000,
            }
        )
    )


def _send(producer: Producer, topic: str, partition: int, rows: Rows) -> None:
    waiting = [{"key": key, "value": value} for key, value in rows]
    while waiting:
        producer.produce_batch(topic, waiting, partition=partition)
        waiting = [message for message in waiting if message.pop("_error", None)]
        producer.poll(0.05 if waiting else 0)


def _commit(settings: Settings, parts: list[TopicPartition]) -> None:
    consumer = backend_of(settings).consumer(
        settings.client(**{"group.id": settings.group, "enable.auto.commit": False})
    )
    consumer.commit(offsets=parts, asynchronous=False)
    consumer.close()


def _subjects(partitions: int, each: int) -> list[list[str]]:
    """So many subjects at home in each partition."""
    homes: list[list[str]] = [[] for _ in range(partitions)]
    number = 0
    while min(map(len, homes)) < each:
        homes[partition_of(f"bot-{number}", partitions)].append(f"bot-{number}")
        number += 1
    return [names[:each] for names in homes]


def _experiments(subjects: Sequence[str]) -> Iterator[ExperimentRow]:
    """As they stand after a result of every metric, none of them specified."""
    tables = PartitionState(0, 1)
    for subject in subjects:
        for number in range(EXPERIMENTS_EACH):
            policy = policy_for(subject, ())
            row = replace(
                new_experiment(subject, f"{subject}-{number:05d}", policy), ordinal=number + 1
            )
            for name in METRICS:
                row = with_metric(row, name, tables.experiments)
            judged = [
                spec
                for spec in row.metrics
                for variant in VARIANTS
                if may_command(row, spec, variant)
            ]
            pairs = tuple(Pair(VARIANTS[1], spec.name) for spec in judged)
            yield replace(row, pairs=pairs, started_offset=number)


def _rows(subjects: Sequence[str], codec: Codec) -> Iterator[tuple[str, Rows]]:
    """The rows of the tables of a partition, by topic, in pieces."""
    experiments = list(_experiments(subjects))
    yield (
        TABLES_SUBJECTS,
        [(row_key(s), codec.encode(SubjectRow(s, EXPERIMENTS_EACH, 0))) for s in subjects],
    )
    yield (
        TABLES_EXPERIMENTS,
        [(row_key(row.subject, row.experiment_id), codec.encode(row)) for row in experiments],
    )
    rng = np.random.default_rng(len(experiments))
    for start in range(0, len(experiments), _CHUNK // ROWS_EACH):
        yield (
            TABLES_ARMS,
            _arms(experiments[start : start + _CHUNK // ROWS_EACH], start * ROWS_EACH, rng, codec),
        )


def _arms(
    experiments: Sequence[ExperimentRow], first: int, rng: np.random.Generator, codec: Codec
) -> Rows:
    names = [
        (row.subject, row.experiment_id, metric, variant, segment, None)
        for row in experiments
        for segment in SEGMENTS
        for metric in METRICS
        for variant in VARIANTS
    ]
    n = len(names)
    values: dict[str, Any] = {
        field.name: [None] * n
        if pa.types.is_string(field.type)
        else np.zeros(n, field.type.to_pandas_dtype())
        for field in arrow_schema("ArmRow")
    }
    values |= dict(zip(ARM_NAMES, zip(*names, strict=True), strict=True))
    count = rng.integers(100, 100_000, n)
    hits = rng.binomial(count, 0.1)
    values |= {
        "count": count,
        "hits": hits,
        "sum": hits.astype(float),
        "sum_squares": hits.astype(float),
    }
    values |= {
        "first_offset": np.arange(first, first + n),
        "applied_offset": np.arange(first, first + n) + 1_000_000,
    }
    for name in ("unnamed_offset", "harm_offset", "gain_offset", "unstable_offset", "base_offset"):
        values[name] = np.full(n, -1)
    for name in NULLABLE:
        values[name] = rng.normal(0.0, 0.01, n)
    values |= {
        "state": ["WAIT"] * n,
        "log_e_harm": rng.normal(0, 1, n),
        "log_e_gain": rng.normal(0, 1, n),
        "evidence_kind": ["E_VALUE"] * n,
    }
    schema = arrow_schema("ArmRow")
    batch = pa.RecordBatch.from_arrays(
        [pa.array(values[each.name], each.type) for each in schema], schema=schema
    )
    keys = [row_key(*parts) for parts in names]
    return list(zip(keys, encode_batch(batch, "ArmRow", codec), strict=True))


def _results(subjects: Sequence[str], n: int, codec: Codec) -> Iterator[list[bytes]]:
    """Framed results of the arms, of units seen once, each with an id of its own."""
    schema, rng = arrow_schema("ExperimentResult"), np.random.default_rng(n)
    for start in range(0, n, _CHUNK):
        size = min(_CHUNK, n - start)
        which, number = (
            rng.integers(len(subjects), size=size),
            rng.integers(EXPERIMENTS_EACH, size=size),
        )
        values: dict[str, Any] = {
            "event_id": [event_uuid(subjects[0], start + i) for i in range(size)],
            "subject": [subjects[s] for s in which],
            "experiment_id": [f"{subjects[s]}-{e:05d}" for s, e in zip(which, number, strict=True)],
            "variant": np.array(VARIANTS)[rng.integers(2, size=size)].tolist(),
            "unit_id": [f"u{start + i}" for i in range(size)],
            "metric": np.array(METRICS)[rng.integers(len(METRICS), size=size)].tolist(),
            "kind": ["OBSERVATION"] * size,
            "count": np.ones(size, np.int64),
            "sum": (rng.random(size) < 0.1).astype(float),
            "sum_squares": [None] * size,
            "segment": [SEGMENTS[1 + s] for s in rng.integers(len(SEGMENTS) - 1, size=size)],
            "occurred_at": np.full(size, now_ms()),
            "assigned_at": [None] * size,
            "covariate": [None] * size,
        }
        arrays = [pa.array(values[each.name], each.type) for each in schema]
        yield encode_batch(
            pa.RecordBatch.from_arrays(arrays, schema=schema), "ExperimentResult", codec
        )
