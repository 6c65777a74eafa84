"""The results that a chapter sends, some of them soiled."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from schemas.codec.framing import Record
from schemas.ids import event_uuid
from schemas.records import ExperimentResult, ResultKind
from tests.support.builders import CODEC, NOON, Sent
from tests.support.histories.advice import AWAY
from tests.support.histories.chapters import Results
from tests.support.histories.specs import ASSIGNED, EXPERIMENTS

# What one unit brings, as it is, where it is harmful and where it is a gain.
_LEVELS = {
    "conversion": (0.30, 0.05, 0.75),
    "error": (0.12, 0.60, 0.03),
    "accuracy": (0.93, 0.55, 0.995),
    "defects": (0.6, 3.0, 0.1),
    "latency": (60.0, 200.0, 30.0),
    "revenue": (10.0, 4.0, 18.0),
    "satisfaction": (7.0, 2.0, 9.0),
    "exposure": (1.0, 1.0, 1.0),
    "mood": (0.0, -5.0, 5.0),
}


_RATES = ("conversion", "error", "accuracy")


def result_records(chapter: Results, number: int) -> Iterator[Record | bytes | Sent | None]:
    rng = np.random.default_rng([chapter.seed, number])
    name, subject, arms, metrics = EXPERIMENTS[chapter.experiment % len(EXPERIMENTS)]
    treatments = len(arms) - 1
    odds = np.array([0.5, *[0.5 / treatments] * treatments])
    if chapter.skewed:
        odds = np.array([0.2, *[0.8 / treatments] * treatments])
    sent = (*metrics, "exposure", "mood")
    weights = np.array([1.0] * len(metrics) + [0.6, 0.05])
    variants = rng.choice(len(arms), chapter.n, p=odds)
    named = rng.choice(len(sent), chapter.n, p=weights / weights.sum())
    standing: dict[tuple[str, str, str | None], ExperimentResult] = {}
    for at in range(chapter.n):
        event_id = event_uuid("result", number, at, chapter.seed)
        record = _result(
            chapter, rng, sent[named[at]], arms[variants[at]], (event_id, subject, name)
        )
        if name == "snapped" and rng.random() < 0.98:
            record = _snapshot(
                record, standing, number * 1_000_000 + at // 8 - int(rng.random() < 0.1) * 20
            )
        if chapter.covariates and record.count == 1 and rng.random() < 0.75:
            record = replace(record, covariate=0.5 * record.sum + float(rng.standard_normal()))
        yield (
            _soiled(record, rng, chapter.seed, number, at)
            if chapter.dirty and rng.random() < 0.1
            else record
        )


def _result(
    chapter: Results, rng: np.random.Generator, metric: str, variant: str, ids: tuple[str, str, str]
) -> ExperimentResult:
    level = _LEVELS[metric][chapter.change if variant == "b" else 0]
    count = int(rng.integers(1, 120)) if chapter.coarse and metric != "latency" else 1
    squares: float | None = None
    if metric in _RATES:
        total = float(rng.binomial(count, level))
    elif metric == "exposure":
        total = float(count)
    elif metric == "defects":
        units = rng.poisson(level, count).astype(float)
        total, squares = float(units.sum()), float((units**2).sum())
    else:
        units = rng.normal(level, 0.3 * abs(level) + 0.1, count)
        total, squares = float(units.sum()), float((units**2).sum())
    if squares is not None and (count == 1 or (chapter.dirty and rng.random() < 0.002)):
        squares = None
    return ExperimentResult(
        event_id=ids[0],
        subject=ids[1],
        experiment_id=ids[2],
        variant=variant,
        metric=metric,
        count=count,
        sum=total,
        sum_squares=squares,
        unit_id=f"unit {int(rng.integers(0, 2 * chapter.n))}"
        if chapter.units and rng.random() < 0.98
        else None,
        segment=(None, "de", "fr")[int(rng.integers(0, 3))],
        occurred_at=NOON,
        assigned_at=NOON + int(rng.integers(*ASSIGNED[ids[2]]))
        if ids[2] in ASSIGNED and rng.random() < 0.9
        else None,
    )


def _snapshot(
    record: ExperimentResult,
    standing: dict[tuple[str, str, str | None], ExperimentResult],
    moment: int,
) -> ExperimentResult:
    """The record added to what stood of its arm and metric; the moments of snapshots come out of
    order at times.
    """
    segment = record.segment if record.metric == "revenue" else None
    before = standing.get((record.variant, record.metric, segment))
    squares = record.sum_squares if record.sum_squares is not None else record.sum**2
    if before is not None:
        squares += before.sum_squares or 0.0
        record = replace(record, count=record.count + before.count, sum=record.sum + before.sum)
    record = replace(
        record,
        kind=ResultKind.SNAPSHOT,
        segment=segment,
        sum_squares=squares,
        occurred_at=NOON - 10**9 + moment,
    )
    standing[record.variant, record.metric, segment] = record
    return record


def _soiled(
    record: ExperimentResult, rng: np.random.Generator, seed: int, number: int, at: int
) -> Record | bytes | Sent | None:
    """A duplicate, or a record with one fault."""
    ways: tuple[Record | bytes | Sent | None, ...] = (
        replace(record, event_id=event_uuid("result", number, int(rng.integers(0, at + 1)), seed)),
        replace(record, event_id=event_uuid("result", number, int(rng.integers(0, at + 1)), seed)),
        replace(record, subject=AWAY),
        Sent(CODEC.encode(replace(record, subject=AWAY)), 0, headed=(("forwarded-from", b"1"),)),
        b"\x00garbage that is longer than a header",
        None,
        CODEC.encode(record)[:-1],
        CODEC.encode(record) + b"\x00",
        replace(record, sum=float("nan")),
        replace(record, sum=float("inf")),
        replace(record, sum=-0.5),
        replace(record, sum=1e200, sum_squares=None),
        replace(record, count=0),
        replace(record, count=1, sum=7.0),
        replace(record, kind=ResultKind.SNAPSHOT),
        replace(record, kind=ResultKind.SNAPSHOT, experiment_id="unheard of", metric="error"),
        replace(record, metric=f"unheard of {int(rng.integers(0, 3))}"),
        replace(record, variant="unheard of"),
        replace(record, variant=""),
        replace(record, occurred_at=NOON * 2),
    )
    return ways[int(rng.integers(0, len(ways)))]
