"""The model metrics that a chapter sends, some of them soiled."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from schemas.codec.framing import Record
from schemas.ids import event_uuid
from schemas.records import ModelMetric
from tests.support.builders import CODEC, NOON, Sent
from tests.support.histories.advice import AWAY, HOME
from tests.support.histories.chapters import Metrics


def metric_records(chapter: Metrics, number: int) -> Iterator[Record | bytes | Sent | None]:
    rng = np.random.default_rng([chapter.seed, number])
    names = ("error", "accuracy", "latency")
    chosen, level = rng.choice(3, chapter.n, p=(0.55, 0.2, 0.25)), 0.0
    for at in range(chapter.n):
        changed = chapter.change if at > chapter.n // 3 else 0
        large = rng.random() < (0.85 if changed == 2 else 0.2)
        rate = 0.5 if large else 0.5 if changed == 1 else 0.04
        name = names[chosen[at]]
        count = int(rng.integers(1, 4)) if name != "latency" or rng.random() < 0.1 else 1
        bad = int(rng.binomial(count, rate))
        level = 0.6 * level * (chapter.seed % 2) + rng.normal() if name == "latency" else level
        slow = count * (30.0 + 3.0 * level + (20.0 if changed == 1 else 0.0))
        other = rng.random() < 0.1 and chapter.versions
        version = int(rng.integers(0, chapter.versions)) if other else chapter.version
        record = ModelMetric(
            event_id=event_uuid("metric", number, at, chapter.seed),
            subject=HOME[1] if rng.random() < 0.1 else HOME[0],
            model_version=f"v{version}",
            metric=name,
            count=count,
            sum=float({"error": bad, "accuracy": count - bad, "latency": slow}[name]),
            segment=None
            if rng.random() < 0.1
            else "large"
            if large
            else "small"
            if rng.random() < 0.9
            else "tiny",
            occurred_at=NOON,
        )
        yield (
            _soiled_metric(record, rng, chapter.seed, number, at)
            if chapter.dirty and rng.random() < 0.1
            else record
        )


def _soiled_metric(
    record: ModelMetric, rng: np.random.Generator, seed: int, number: int, at: int
) -> Record | bytes | None:
    ways: tuple[Record | bytes | None, ...] = (
        replace(record, event_id=event_uuid("metric", number, int(rng.integers(0, at + 1)), seed)),
        replace(record, subject=AWAY),
        b"",
        None,
        CODEC.encode(record)[:-3],
        replace(record, sum=float("nan")),
        replace(record, sum=0.5),
        replace(record, sum=9.0),
        replace(record, count=-1),
        replace(record, model_version="\x07"),
    )
    return ways[int(rng.integers(0, len(ways)))]
