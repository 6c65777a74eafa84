"""How much of plain consuming is left with everything on: one broker, one topic, one run, printed as a ratio."""

import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, Producer, TopicPartition
from numpy.typing import NDArray

from schemas.catalog import RESULTS, SPECS, local_ids
from schemas.columns import encode_batch
from schemas.ids import event_uuid, partition_of
from schemas.records import Direction, ExperimentSpec, MetricKind, MetricSpec, Role, Share, ShareStep
from schemas.wire import Codec
from streams.broker import EmbeddedKafka
from streams.clock import monotonic, now_ms
from streams.config import Settings
from streams.kafka import admin, end_offsets
from streams.processor import Processor
from streams.topics import create

EXPERIMENTS = 200
VARIANTS = ("control", "b")
METRICS = (
    MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE),
    MetricSpec("error", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.RATE),
    MetricSpec("revenue", Role.GUARDRAIL, Direction.HIGHER_IS_BETTER, MetricKind.MEAN),
)
_CHUNK = 20_000


def main(settings: Settings | None, records: int, json_file: Path | None, runs: int = 3) -> int:
    """Prints plain consuming, the processor, and the ratio, each the median of `runs`; writes them as JSON."""
    if settings is not None:
        return _run(settings, records, json_file, runs)
    with EmbeddedKafka(heap_mb=1024) as kafka:
        return _run(Settings(bootstrap=kafka.bootstrap), records, json_file, runs)


def _run(settings: Settings, records: int, json_file: Path | None, runs: int) -> int:
    client, codec = admin(settings), Codec(local_ids())
    create(client, settings)
    _say(f"{records:,} results a run: {EXPERIMENTS} experiments x 2 variants x {len(METRICS)} metrics, exactly once")
    parts = [TopicPartition(RESULTS, p) for p in range(settings.partitions)]
    plain, full = [], []
    for run in range(runs + 1):
        starts = end_offsets(client, parts)
        Workload().write(settings, codec, records, run)
        ends = end_offsets(client, parts)
        consumed = _plain(settings, starts, records)
        processed = _processor(settings, codec, {(p.topic, p.partition): end for p, end in ends.items()}, records)
        if run:  # the first is a warm-up
            plain.append(consumed)
            full.append(processed)
        name = f"run {run}" if run else "warm-up"
        _say(f"{name}: plain consume {consumed:,.0f}/s, processor {processed:,.0f}/s, {processed / consumed:.0%}")
    ratio = statistics.median(f / p for f, p in zip(full, plain, strict=True))
    report = {
        "records": records,
        "plain_consume": round(statistics.median(plain)),
        "mendstream": round(statistics.median(full)),
        "ratio": round(ratio, 3),
    }
    _say(f"median: with the judge on, {ratio:.0%} of plain consume")
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Workload:
    """Results of experiments without any effect; as many keys as experiments x 2 variants x 3 metrics."""

    experiments: int = EXPERIMENTS

    @property
    def keys(self) -> int:
        return self.experiments * len(VARIANTS) * len(METRICS)

    def write(self, settings: Settings, codec: Codec, records: int, run: int, sweep: bool = False) -> None:
        """Specs of the experiments, and so many results of them; runs of other numbers hold other records.

        sweep: key after key, in place of keys at random.
        """
        producer = Producer(
            settings.client(**{"linger.ms": 20, "batch.size": 1_000_000, "queue.buffering.max.messages": 2_000_000})
        )
        for spec in self._specs() if run == 0 else ():
            _send(
                producer, SPECS, partition_of(spec.subject, settings.partitions), [(spec.subject, codec.encode(spec))]
            )
        assert producer.flush(60.0) == 0
        rng = np.random.default_rng(run)
        for start in range(0, records, _CHUNK):
            n = min(_CHUNK, records - start)
            keys = np.arange(start, start + n) % self.keys if sweep else rng.integers(self.keys, size=n)
            for partition, pairs in self.results(codec, settings.partitions, (run << 32) + start, keys, rng):
                _send(producer, RESULTS, partition, pairs)
        assert producer.flush(60.0) == 0

    def results(
        self, codec: Codec, partitions: int, first: int, keys: NDArray[np.int64], rng: np.random.Generator
    ) -> Iterator[tuple[int, list[tuple[str, bytes]]]]:
        """Subjects and framed results of these keys, by partition; ids are made of numbers from `first` on."""
        n = len(keys)
        experiment, variant, metric = keys // 6, keys % 2, keys // 2 % 3
        sums = np.where(metric == 2, rng.exponential(10.0, n), rng.random(n) < 0.1)
        subjects = [f"bot-{one}" for one in range(self._subjects)]
        subject = experiment % self._subjects
        columns = {
            "event_id": [f"{i >> 32:08x}-0000-4000-8000-{i & 0xFFFFFFFF:012x}" for i in range(first, first + n)],
            "subject": [subjects[one] for one in subject],
            "experiment_id": [f"exp-{one}" for one in experiment],
            "variant": [VARIANTS[one] for one in variant],
            "unit_id": pa.nulls(n, pa.string()),
            "metric": [METRICS[one].name for one in metric],
            "kind": ["OBSERVATION"] * n,
            "count": np.ones(n, np.int64),
            "sum": sums.astype(float),
            "sum_squares": pa.nulls(n, pa.float64()),
            "segment": pa.nulls(n, pa.string()),
            "occurred_at": np.full(n, now_ms()),
            "assigned_at": pa.nulls(n, pa.int64()),
        }
        batch = pa.RecordBatch.from_pydict({name: pa.array(values) for name, values in columns.items()})
        homes = np.array([partition_of(name, partitions) for name in subjects])[subject]
        for partition in range(partitions):
            part = batch.filter(pa.array(homes == partition))
            if part.num_rows:
                values = encode_batch(part, "ExperimentResult", codec)
                yield partition, list(zip(part.column("subject").to_pylist(), values, strict=True))

    @property
    def _subjects(self) -> int:
        return max(50, self.experiments // 25)

    def _specs(self) -> Iterator[ExperimentSpec]:
        for number in range(self.experiments):
            yield ExperimentSpec(
                event_id=event_uuid("bench-spec", number),
                experiment_id=f"exp-{number}",
                subject=f"bot-{number % self._subjects}",
                control=VARIANTS[0],
                treatments=VARIANTS[1:],
                share_steps=(ShareStep(shares=tuple(Share(variant, 0.5) for variant in VARIANTS)),),
                metrics=METRICS,
            )


def _send(producer: Producer, topic: str, partition: int, pairs: list[tuple[str, bytes]]) -> None:
    waiting: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in pairs]
    while waiting:
        producer.produce_batch(topic, waiting, partition=partition)
        waiting = [message for message in waiting if message.pop("_error", None)]
        producer.poll(0.05 if waiting else 0)


def _plain(settings: Settings, starts: dict[TopicPartition, int], records: int) -> float:
    """Records a second that consume() hands over, nothing done with them."""
    consumer = Consumer(
        settings.client(
            **{
                "group.id": "bench-plain",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "queued.min.messages": 200_000,
                "queued.max.messages.kbytes": 131_072,
                "fetch.queue.backoff.ms": 2,  # the default, a second, is how long a full queue would starve the loop
                "fetch.message.max.bytes": 4_194_304,
            }
        )
    )
    consumer.assign([TopicPartition(part.topic, part.partition, start) for part, start in starts.items()])
    seen, began = 0, 0.0
    while seen < records:
        asked = monotonic()
        messages = consumer.consume(20_000, timeout=0.05)
        if messages and not began:
            began = asked
        seen += len(messages)
    took = monotonic() - began
    consumer.close()
    return records / took


def _processor(settings: Settings, codec: Codec, ends: dict[tuple[str, int], int], records: int) -> float:
    """Records a second that the real processor, restored and waiting, applies and commits."""
    began = ended = 0.0

    def at(point: str) -> None:
        nonlocal began, ended
        if point == RESULTS and not began:
            began = monotonic()
        if point == "committed" and processor.progress(ends) >= sum(ends.values()):
            ended = monotonic()
            processor.stop()

    processor = Processor(settings, codec, at=at)
    processor.run()
    return records / (ended - began)
