"""Histories for the laws: what a partition was sent, from a few knobs that Hypothesis turns, and
ways to fold it.

A chapter says what happens; its records are drawn from its own seed, so a chapter left out changes
no other. Statuses answer the commands that the chapters before them led to, so a history is folded
while it is written.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from agents.core.batch import Slice
from agents.flow.pipeline import apply_broadcast, fold, refresh
from schemas.catalog import (
    INPUTS,
    METRICS,
    POLICIES,
    REQUESTS,
    RESULTS,
    SPECS,
    STATUS,
    TICKS,
    TRUST_LEVELS,
)
from schemas.codec.framing import Record
from schemas.ids import event_uuid
from schemas.records import (
    Autonomy,
    CommandStatus,
    Direction,
    ExperimentResult,
    ExperimentSpec,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    ModelMetric,
    Policy,
    Reference,
    ResultKind,
    Role,
    Share,
    ShareStep,
    Status,
    Tick,
)
from state.partition.partition_state import PartitionState
from tests.builders import CODEC, NOON, Sent
from tests.laws import people
from tests.laws.advice import AWAY, HOME, PARTITIONS, advice

WINDOW = 700  # offsets; small, so that ids are forgotten within a history
BASE_POLICY = Policy(
    event_id=event_uuid("policy"),
    policy_id="all",
    deploy=Autonomy.AUTO,
    retrain=Autonomy.AUTO,
    improve=Autonomy.AUTO,
    alpha=0.2,
    min_count=20,
    reference_count=150,
    false_alarm_records=1e3,
)
_UP, _DOWN = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER
_GOAL, _GUARD = Role.GOAL, Role.GUARDRAIL


def _shares(**shares: float) -> tuple[ShareStep, ...]:
    return (ShareStep(shares=tuple(Share(variant, share) for variant, share in shares.items())),)


def _spec(
    name: str,
    subject: str,
    treatments: tuple[str, ...],
    steps: tuple[ShareStep, ...],
    *metrics: MetricSpec,
) -> ExperimentSpec:
    return ExperimentSpec(
        event_uuid("spec", name),
        name,
        subject,
        "control",
        treatments,
        steps,
        metrics,
        alpha=0.2,
        min_count=20,
    )


_CONVERSION = MetricSpec("conversion", _GOAL, _UP, MetricKind.RATE)
_ERROR = MetricSpec("error", _GUARD, _DOWN, MetricKind.RATE, margin=3.0)
SPECIFIED = (
    _spec("rates", HOME[0], ("b",), _shares(control=0.5, b=0.5), _CONVERSION, _ERROR),
    _spec("goal only", HOME[1], ("b",), _shares(control=0.5, b=0.5), _CONVERSION),
    _spec(
        "three",
        HOME[0],
        ("b", "c"),
        _shares(control=0.5, b=0.25, c=0.25),
        MetricSpec("accuracy", _GOAL, _UP, MetricKind.RATE),
        MetricSpec("defects", _GUARD, _DOWN, MetricKind.COUNT, margin=3.0),
        MetricSpec("latency", _GUARD, _DOWN, MetricKind.LATENCY, limit=100.0, margin=3.0),
    ),
    _spec(
        "means",
        HOME[1],
        ("b", "c"),
        (),
        MetricSpec("revenue", _GOAL, _UP, MetricKind.MEAN, cap=40.0),
        MetricSpec("defects", _GUARD, _DOWN, MetricKind.COUNT, margin=3.0),
        MetricSpec("accuracy", _GUARD, _UP, MetricKind.RATE),
    ),
    _spec(
        "ramped",
        HOME[0],
        ("b",),
        (
            *_shares(control=0.9, b=0.1),
            ShareStep(from_=NOON, shares=(Share("control", 0.5), Share("b", 0.5))),
        ),
        _CONVERSION,
        MetricSpec("revenue", _GOAL, _UP, MetricKind.MEAN, cap=40.0),
    ),
    _spec(
        "slow",
        HOME[1],
        ("b",),
        _shares(control=0.5, b=0.5),
        MetricSpec("latency", _GUARD, _DOWN, MetricKind.LATENCY, margin=3.0),
        MetricSpec("satisfaction", _GOAL, _UP, MetricKind.MEAN),
    ),
    _spec(
        "snapped",
        HOME[0],
        ("b",),
        _shares(control=0.5, b=0.5),
        _CONVERSION,
        MetricSpec("revenue", _GUARD, _UP, MetricKind.MEAN, margin=3.0),
    ),
    replace(_spec("rolled", HOME[0], ("b",), (), _CONVERSION, _ERROR), follows_rollout=True),
)
# (experiment, subject, arms, metrics sent); what is not SPECIFIED is judged by policy, and so is
# what is too late.
EXPERIMENTS = (
    *(
        (s.experiment_id, s.subject, (s.control, *s.treatments), tuple(m.name for m in s.metrics))
        for s in SPECIFIED
    ),
    ("plain", HOME[0], ("control", "b", "c"), ("conversion", "error", "revenue", "latency")),
    ("simple", HOME[1], ("control", "b"), ("error",)),
)
_ROLLED = HOME[0], "rolled"
_ASSIGNED = {"ramped": (-4, 6), "rolled": (-4, 3_000)}  # ms after NOON
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


@dataclass(frozen=True)
class Results:
    """n results of one experiment; change: of treatment b, among _LEVELS; coarse: records sum up
    many units.
    """

    seed: int
    experiment: int
    n: int
    change: int
    skewed: bool
    coarse: bool
    dirty: bool
    units: bool = False  # named, and some of them several times


@dataclass(frozen=True)
class Metrics:
    """n model metrics of one subject; what changes half-way: nothing, a segment decays, the mix
    shifts.

    Latencies decay with the segment; those of an odd seed follow each other, as one value a minute
    does.
    """

    seed: int
    n: int
    change: int
    version: int
    versions: int  # other versions that may appear among them
    dirty: bool


@dataclass(frozen=True)
class Specs:
    """Specs of experiments, in one slice: as they are, with other terms, or stopped."""

    which: tuple[int, ...]
    terms: int


@dataclass(frozen=True)
class Answers:
    """Statuses of all commands so far."""

    status: Status
    attempt: int


@dataclass(frozen=True)
class Rule:
    """A policy comes in."""

    kind: int


@dataclass(frozen=True)
class Advisers:
    """n recommendations, outcomes, requests and facts of a few agents, patterns and tenants, some
    of them wrong.
    """

    seed: int
    n: int


@dataclass(frozen=True)
class Feedback:
    """What was written so far for inputs comes in, as a partition reads what all have written."""


@dataclass(frozen=True)
class People:
    """n orders, reviews, freezes and cancellations of people."""

    seed: int
    n: int


@dataclass(frozen=True)
class Rolled:
    """A person deploys what "rolled" tries, and n reports tell of its share, some of times to
    come.
    """

    seed: int
    n: int


# An int: a tick after so many seconds.
Chapter = Results | Metrics | Specs | Answers | Rule | Advisers | People | Feedback | Rolled | int


@dataclass(frozen=True)
class Told:
    """A broadcast record."""

    topic: str
    value: bytes


Step = Slice | Told


@dataclass
class Folded:
    """What folding came to, in bytes and by offsets, so that it does not depend on how the log was
    cut.
    """

    outputs: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    forwards: list[tuple[str, int, int, str]] = field(default_factory=list)
    refused: list[tuple[str, int, str, str]] = field(default_factory=list)
    applied: int = 0
    duplicates: int = 0
    records: int = 0
    verdicts: list[str] = field(default_factory=list)


def fresh_tables() -> PartitionState:
    return PartitionState(0, PARTITIONS, dedupe_window=WINDOW)


def take(step: Step, tables: PartitionState, into: Folded) -> None:
    """Folds one slice, or takes one broadcast record."""
    if isinstance(step, Told):
        apply_broadcast(step.topic, step.value, tables, CODEC)
        return
    effects = fold(step, tables, CODEC)
    for one in effects.outputs:
        into.outputs.append((one.topic, one.key, one.event_id, CODEC.encode(one.record)))
        verdict = getattr(one.record, "verdict", None)
        into.verdicts += [f"{verdict} {one.record.order} {one.record.outcome}"] if verdict else []  # type: ignore[attr-defined]
    offsets = [record.offset() for record in step.records]
    into.forwards += [
        (step.topic, offsets[one.index], one.partition, one.subject) for one in effects.forwards
    ]
    into.refused += [
        (step.topic, offsets[one.index], one.reason, one.sentence) for one in effects.refused
    ]
    into.applied += effects.applied
    into.duplicates += effects.duplicates
    into.records += len(step.records)
    met = effects.applied + effects.duplicates + len(effects.forwards) + len(effects.refused)
    assert met == len(step.records)
    fated = [*(one.index for one in effects.forwards), *(one.index for one in effects.refused)]
    assert len(set(fated)) == len(fated)


def take_all(steps: Iterable[Step], tables: PartitionState) -> Folded:
    into = Folded()
    for step in steps:
        take(step, tables, into)
    return into


def snapshot(tables: PartitionState) -> dict[str, dict[str, bytes]]:
    """Every row of every table, after its evidence was worked out."""
    refresh(tables)
    return {topic: dict(table.snapshot(CODEC)) for topic, table in tables.all().items()}


def pieces(piece: Slice, at: Iterable[int]) -> Iterator[Slice]:
    """The slice cut before the records at these positions."""
    records = piece.records
    bounds = [0, *sorted({cut for cut in at if 0 < cut < len(records)}), len(records)]
    for first, last in pairwise(bounds):
        if first < last:
            yield Slice.of(piece.topic, piece.partition, records[first:last])


def telling_offsets(tables: PartitionState) -> dict[str, set[int]]:
    """Where something happened, by topic: near it a wrong fold is likeliest to show."""
    arms = tables.experiments.arms
    n = len(arms)
    columns = ("first_offset", "applied_offset", "base_offset", "harm_offset", "gain_offset")
    results = {int(offset) for column in columns for offset in arms[column][:n]}
    results |= {
        done.offset for row in tables.experiments.experiments.rows() for done in row.decided
    }
    versions = [version for row in tables.drift.metrics.rows() for version in row.versions]
    metrics = {
        offset for v in versions for offset in (v.first_offset, v.applied_offset, v.window_offset)
    }
    return {RESULTS: results, METRICS: metrics}


def cut_anywhere(
    steps: Sequence[Step], telling: dict[str, set[int]], rng: np.random.Generator
) -> Iterator[Step]:
    """Every slice cut at a few places: before or after telling records, and at random."""
    for step in steps:
        if isinstance(step, Told):
            yield step
            continue
        told = telling.get(step.topic, set())
        near = [at for at, record in enumerate(step.records) if record.offset() in told]
        near = [at + int(rng.integers(0, 2)) for at in near if rng.random() < 0.25]
        anywhere = rng.integers(0, max(1, len(step.records)), int(rng.integers(0, 5))).tolist()
        yield from pieces(step, [*near, *anywhere])


@dataclass
class History:
    """The steps written so far, folded whole as they came."""

    steps: list[Step] = field(default_factory=list)
    tables: PartitionState = field(default_factory=fresh_tables)
    folded: Folded = field(default_factory=Folded)
    _offsets: dict[str, int] = field(default_factory=dict)
    _now: int = NOON
    _fed: int = 0

    @staticmethod
    def of(chapters: Iterable[Chapter]) -> "History":
        history = History()
        history.add(Told(POLICIES, CODEC.encode(BASE_POLICY)))
        for number, chapter in enumerate(chapters):
            history.write(chapter, number)
        return history

    def add(self, step: Step) -> None:
        self.steps.append(step)
        take(step, self.tables, self.folded)

    def write(self, chapter: Chapter, number: int) -> None:  # noqa: C901 - one case a chapter
        match chapter:
            case Results():
                self._send(RESULTS, list(_results(chapter, number)), chapter.seed)
            case Metrics():
                self._send(METRICS, list(_metrics(chapter, number)), chapter.seed)
            case Specs():
                specs = [
                    _varied(SPECIFIED[i % len(SPECIFIED)], chapter.terms, number)
                    for i in chapter.which
                ]
                self._send(SPECS, [*specs, b"not a spec", *specs[:1]], 0)
            case Answers():
                self._send(STATUS, list(self._answers(chapter, number)), 0)
            case Rule():
                self.add(Told(POLICIES, CODEC.encode(_policy(chapter.kind))))
            case Advisers():
                for topic, records in advice(chapter.seed, chapter.n, number).items():
                    self._send(topic, records, chapter.seed)
            case People():
                rows = list(self.tables.commands.commands.rows())
                for topic, record in people.said(chapter.seed, chapter.n, number, rows, HOME[:3]):
                    self._send(topic, [record], chapter.seed)
            case Rolled():
                self._send(REQUESTS, [people.deploys(chapter.seed, number, *_ROLLED)], chapter.seed)
                if shares := list(self._shares(chapter, number)):
                    self._send(STATUS, shares, chapter.seed)
            case Feedback():
                self._feed_back()
            case int():
                self._now += 1_000 * chapter
                self._send(TICKS, [Tick(0, self._now)], 0)

    def _send(self, topic: str, records: list[Record | bytes | Sent | None], seed: int) -> None:
        rng = np.random.default_rng(seed)
        offset = self._offsets.get(topic, 0)
        delivered = []
        for record in records:
            self._now += 1
            appended = self._now - int(rng.integers(0, 3))
            if isinstance(record, Sent):
                delivered.append(replace(record, at=offset, appended=appended))
            else:
                raw = (
                    record if record is None or isinstance(record, bytes) else CODEC.encode(record)
                )
                delivered.append(Sent(raw, offset, appended))
            offset += 1 + int(rng.random() < 0.05)  # a transaction marker
        self._offsets[topic] = offset
        self.add(Slice.of(topic, 0, delivered))

    def _feed_back(self) -> None:
        news, self._fed = self.folded.outputs[self._fed :], len(self.folded.outputs)
        for topic in dict.fromkeys(topic for topic, *_ in news):
            values = [value for name, _, _, value in news if name == topic]
            if topic in INPUTS:
                self._send(topic, list(values), len(values))
            elif topic == TRUST_LEVELS:
                for value in values:
                    self.add(Told(topic, value))

    def _answers(self, chapter: Answers, number: int) -> Iterator[Record]:
        for row in [row for row in self.tables.commands.commands.rows() if row.fencing_token > 0]:
            yield CommandStatus(
                event_id=event_uuid("status", number, row.command_id),
                command_id=row.command_id,
                attempt=chapter.attempt,
                subject=row.subject,
                status=chapter.status,
                fencing_token=row.fencing_token,
                reported_at=NOON,
                reporter="a test",
            )
        yield CommandStatus(
            event_id=event_uuid("status", number, "unknown"),
            command_id=event_uuid("nobody's"),
            subject=HOME[0],
            status=chapter.status,
            fencing_token=1,
            reported_at=NOON,
            reporter="a test",
        )

    def _shares(self, chapter: Rolled, number: int) -> Iterator[Record | bytes | Sent | None]:
        rng = np.random.default_rng([chapter.seed, number])
        rows = [
            row
            for row in self.tables.commands.commands.rows()
            if row.experiment_id == _ROLLED[1] and row.fencing_token
        ]
        for at in range(chapter.n if rows else 0):
            row, begins = (
                rows[int(rng.integers(len(rows)))],
                NOON + int(rng.integers(-1_000, 1_000)),
            )
            yield CommandStatus(
                event_id=event_uuid("share", number, at),
                command_id=row.command_id,
                attempt=row.attempt,
                subject=row.subject,
                status=Status.IN_PROGRESS,
                fencing_token=row.fencing_token,
                reported_at=NOON,
                reporter="a test",
                traffic_share=float(rng.choice((0.0, 0.5, 0.5, 0.5, 1.0))),
                share_from=begins,
                share_until=begins + int(rng.integers(1, 3_000)) if rng.random() < 0.8 else None,
            )


def _results(chapter: Results, number: int) -> Iterator[Record | bytes | Sent | None]:
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
        assigned_at=NOON + int(rng.integers(*_ASSIGNED[ids[2]]))
        if ids[2] in _ASSIGNED and rng.random() < 0.9
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


def _metrics(chapter: Metrics, number: int) -> Iterator[Record | bytes | Sent | None]:
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


def _varied(spec: ExperimentSpec, terms: int, number: int) -> ExperimentSpec:
    spec = replace(spec, event_id=event_uuid("spec", number, spec.experiment_id, terms))
    if terms == 1:
        return replace(spec, status=ExperimentStatus.STOPPED)
    if terms == 2:
        return replace(
            spec, alpha=0.01, treatments=("b", "z"), share_steps=(), autonomy=Autonomy.APPROVE
        )
    return spec


def _policy(kind: int) -> Policy:
    policy = replace(BASE_POLICY, event_id=event_uuid("policy", kind))
    ways = (
        replace(policy, policy_id="one", subjects=(HOME[0],), rollback=Autonomy.APPROVE, alpha=0.4),
        replace(policy, policy_id="one", subjects=(HOME[0],), reference_count=100, min_count=50),
        replace(
            policy,
            policy_id="two",
            subjects=("bot*",),
            references=(Reference(metric="error", count=400, sum=30.0),),
        ),
        replace(policy, retrain=Autonomy.OBSERVE, improve=Autonomy.PROPOSE),
        replace(policy, metrics=(MetricSpec("mood", _GUARD, _UP, MetricKind.MEAN),)),
        replace(
            policy, commands_per_hour=2, subjects_share=0.0, max_age_ms=1, deploy=Autonomy.APPROVE
        ),
    )
    return ways[kind % len(ways)]


_SEEDS = st.integers(0, 2**32 - 1)
_results_chapters = st.builds(
    Results,
    seed=_SEEDS,
    experiment=st.integers(0, len(EXPERIMENTS) - 1),
    n=st.integers(1, 900),
    change=st.integers(0, 2),
    skewed=st.integers(0, 7).map(lambda n: n == 7),
    coarse=st.booleans(),
    dirty=st.booleans(),
    units=st.booleans(),
)
_metrics_chapters = st.builds(
    Metrics,
    seed=_SEEDS,
    n=st.integers(1, 500),
    change=st.integers(0, 2),
    version=st.integers(0, 2),
    versions=st.sampled_from((0, 0, 3, 12)),
    dirty=st.booleans(),
)
_specs_chapters = st.builds(
    Specs,
    which=st.lists(st.integers(0, len(SPECIFIED) - 1), min_size=1, max_size=5).map(tuple),
    terms=st.sampled_from((0, 0, 0, 1, 2)),
)
_answers = st.builds(
    Answers,
    status=st.sampled_from([s for s in Status if s != Status.UNKNOWN]),
    attempt=st.integers(1, 2),
)
_people = st.builds(People, seed=_SEEDS, n=st.integers(1, 12))
_rolled = st.builds(Rolled, seed=_SEEDS, n=st.integers(0, 5))
_others = st.one_of(
    _answers,
    st.builds(Rule, kind=st.integers(0, 5)),
    _people,
    st.integers(0, 100),
    st.builds(Feedback),
    st.just(30_000),
)
_advisers = st.builds(Advisers, seed=_SEEDS, n=st.integers(1, 200))


def experiment_histories() -> st.SearchStrategy[list[Chapter]]:
    everything: tuple[Chapter, ...] = (Specs(tuple(range(len(SPECIFIED))), 0),)
    either = st.one_of(_results_chapters, _results_chapters, _specs_chapters, _others, _rolled)
    some = st.lists(either, min_size=1, max_size=8)
    return st.builds(
        lambda first, rest: [*first, *rest], st.sampled_from((everything, everything, ())), some
    )


def metric_histories() -> st.SearchStrategy[list[Chapter]]:
    completed: st.SearchStrategy[Chapter] = st.just(Answers(Status.COMPLETED, 1))
    return st.lists(
        st.one_of(_metrics_chapters, _metrics_chapters, _others, completed), min_size=1, max_size=9
    )


def lesson_histories() -> st.SearchStrategy[list[Chapter]]:
    return st.lists(
        st.one_of(_advisers, _advisers, _others, _metrics_chapters), min_size=1, max_size=9
    )


def all_histories() -> st.SearchStrategy[list[Chapter]]:
    return st.one_of(experiment_histories(), metric_histories(), lesson_histories())
