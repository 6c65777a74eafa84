"""Makes what benches send: results of experiments without any effect."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import Producer
from numpy.typing import NDArray

from schemas.catalog import RESULTS, SPECS
from schemas.codec.columns import encode_batch
from schemas.codec.framing import Codec
from schemas.ids import event_uuid, partition_of
from schemas.records import (
    Direction,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    Role,
    Share,
    ShareStep,
)
from streams.kafka.backend import backend_of
from streams.runtime.clock import now_ms
from streams.runtime.settings import Settings

EXPERIMENTS = 200
VARIANTS = ("control", "b")
METRICS = (
    MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE),
    MetricSpec("error", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.RATE),
    MetricSpec("revenue", Role.GUARDRAIL, Direction.HIGHER_IS_BETTER, MetricKind.MEAN),
)
_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class Workload:
    """Results of experiments without any effect; as many keys as experiments x 2 variants x 3
    metrics.
    """

    experiments: int = EXPERIMENTS

    @property
    def keys(self) -> int:
        return self.experiments * len(VARIANTS) * len(METRICS)

    def write(
        self, settings: Settings, codec: Codec, records: int, run: int, sweep: bool = False
    ) -> None:
        """Specs of the experiments, and so many results of them; runs of other numbers hold other
        records.

        sweep: key after key, in place of keys at random.
        """
        producer = backend_of(settings).producer(
            settings.client(
                **{
                    "linger.ms": 20,
                    "batch.size": 1_000_000,
                    "queue.buffering.max.messages": 2_000_000,
                }
            )
        )
        for spec in self.specs() if run == 0 else ():
            _send(
                producer,
                SPECS,
                partition_of(spec.subject, settings.partitions),
                [(spec.subject, codec.encode(spec))],
            )
        assert producer.flush(60.0) == 0
        rng = np.random.default_rng(run)
        for start in range(0, records, _CHUNK):
            n = min(_CHUNK, records - start)
            keys = (
                np.arange(start, start + n) % self.keys
                if sweep
                else rng.integers(self.keys, size=n)
            )
            for partition, pairs in self.results(
                codec, settings.partitions, (run << 32) + start, keys, rng
            ):
                _send(producer, RESULTS, partition, pairs)
        assert producer.flush(60.0) == 0

    def results(
        self,
        codec: Codec,
        partitions: int,
        first: int,
        keys: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> Iterator[tuple[int, list[tuple[str, bytes]]]]:
        """Subjects and framed results of these keys, by partition; ids are made of numbers from
        `first` on.
        """
        n = len(keys)
        experiment, variant, metric = keys // 6, keys % 2, keys // 2 % 3
        sums = np.where(metric == 2, rng.exponential(10.0, n), rng.random(n) < 0.1)
        subjects = [f"bot-{one}" for one in range(self._subjects)]
        subject = experiment % self._subjects
        columns = {
            "event_id": [
                f"{i >> 32:08x}-0000-4000-8000-{i & 0xFFFFFFFF:012x}"
                for i in range(first, first + n)
            ],
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
            "covariate": pa.nulls(n, pa.float64()),
        }
        batch = pa.RecordBatch.from_pydict(
            {name: pa.array(values) for name, values in columns.items()}
        )
        homes = np.array([partition_of(name, partitions) for name in subjects])[subject]
        for partition in range(partitions):
            part = batch.filter(pa.array(homes == partition))
            if part.num_rows:
                values = encode_batch(part, "ExperimentResult", codec)
                yield partition, list(zip(part.column("subject").to_pylist(), values, strict=True))

    @property
    def _subjects(self) -> int:
        return max(50, self.experiments // 25)

    def specs(self) -> Iterator[ExperimentSpec]:
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
