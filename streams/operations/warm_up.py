"""Has the machine code of the agents compiled before it is needed, by folding a small made-up log.

Whatever a process folds first is compiled then, which takes a minute on a machine that has kept
nothing yet. The log goes through every compiled entrance: counts, means, rates and latencies, a
ramp, snapshots, a proved harm and what would have changed it, a gain with guardrails, a block that
the clock closes, a live metric that decays, and what a restart does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from agents.core.batch import DeliveredRecord, Slice
from agents.experiments.evidence.blocks import weighs_in_blocks
from agents.experiments.evidence.pair_needs import guardrail_bound, is_within
from agents.experiments.evidence.repeated_units import worth_of_units
from agents.experiments.verdicts.smallest_changes import smallest_changes
from agents.flow.pipeline import fold, rebuild, refresh, remember
from agents.statistics.interaction import interaction_of
from schemas.catalog import METRICS, RESULTS, SPECS, TICKS, local_ids
from schemas.codec.framing import Codec, Record
from schemas.ids import event_uuid
from schemas.records import (
    Decision,
    Direction,
    ExperimentResult,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    ModelMetric,
    Order,
    ResultKind,
    Role,
    Share,
    ShareStep,
    Tick,
    Verdict,
)
from state.pairs.unit_buckets import NO_BUCKETS
from state.partition.partition_state import PartitionState

_SUBJECT, _CONTROL, _TREATMENT = "warm-up", "control", "treatment"
_NOON = 1_700_000_000_000  # ms
_UNITS = 150  # of each arm: enough for harm of counts to be proved
_RECORDS = 600  # of the live metric
_POINTS = 60  # of a gauge, a minute apart
_OPEN_UNITS = 40  # of each arm: a block of more closes by itself
_LATER_MS = 120_000  # by which a block that nothing follows is closed
_GAINS, _BY_ARM = "gains", "by arm"  # experiments
_METRICS = (
    MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE),
    MetricSpec("revenue", Role.GUARDRAIL, Direction.HIGHER_IS_BETTER, MetricKind.MEAN),
    MetricSpec("seconds", Role.GUARDRAIL, Direction.LOWER_IS_BETTER, MetricKind.LATENCY),
)
_EVEN = (Share(_CONTROL, 0.5), Share(_TREATMENT, 0.5))
_STATED = (ShareStep(shares=_EVEN),)
_RAMP = (*_STATED, ShareStep(from_=_NOON + 1, shares=_EVEN))


def warm_up() -> None:
    """Compiles what a processor runs, and keeps it for the processes after this one."""
    codec, state = Codec(local_ids()), PartitionState(0, 1)
    slices = list(_slices(codec))
    for piece in slices:
        made = fold(piece, state, codec).outputs
        refresh(state)
        _explain([one.record for one in made if isinstance(one.record, Decision)], state)
    _ask_what_is_rare(state)
    for table in state.all().values():
        table.changed(codec)
    rebuild(state)
    for piece in slices:
        remember(piece, state, codec)


def _explain(decisions: Sequence[Decision], state: PartitionState) -> None:
    """Asks what would have changed them, as `mendstream why` does, and as if a gain waited."""
    for one in decisions:
        smallest_changes(one, state.experiments)
        waiting = replace(one, verdict=Verdict.GAIN, order=Order.NONE)
        smallest_changes(waiting, state.experiments)


def _ask_what_is_rare(state: PartitionState) -> None:
    """Asks of each pair what is asked only where a gain waits for a guardrail, units come again and
    again, or another experiment has its units.
    """
    arms, pairs = state.experiments.arms, state.experiments.pairs
    for row in np.flatnonzero(arms.control[: len(arms)] >= 0).tolist():
        worst, _, allowed = guardrail_bound(arms.records, pairs, row)
        is_within(worst, allowed)
        weighs_in_blocks(arms.records, pairs.blocks, row)
    worth_of_units(pairs.buckets, NO_BUCKETS)
    interaction_of(pairs.beside, 0, 1)


def _slices(codec: Codec) -> Iterator[Slice]:
    steps = {"counted": _STATED, "ramped": _RAMP, "rated": (), _GAINS: _STATED, _BY_ARM: ()}
    yield _slice(SPECS, [_spec(name, shares) for name, shares in steps.items()], codec)
    results = [one for name in steps for one in _results(name)]
    yield _slice(RESULTS, [*results, *_snapshots()], codec)
    yield _slice(METRICS, list(_live()), codec)
    later = _NOON + _LATER_MS
    yield _slice(TICKS, [Tick(0, later)], codec, later)


def _slice(topic: str, records: Sequence[Record], codec: Codec, appended: int = _NOON) -> Slice:
    made_up = (DeliveredRecord(codec.encode(one), at, appended) for at, one in enumerate(records))
    return Slice.of(topic, 0, list(made_up))


def _spec(name: str, share_steps: tuple[ShareStep, ...]) -> ExperimentSpec:
    return ExperimentSpec(
        event_id=event_uuid(_SUBJECT, "spec", name),
        experiment_id=name,
        subject=_SUBJECT,
        control=_CONTROL,
        treatments=(_TREATMENT,),
        share_steps=share_steps,
        metrics=_METRICS,
    )


def _results(name: str) -> Iterable[ExperimentResult]:
    """Both arms in turn, or one after the other, in two segments; the treatment converts less in
    the second half, or always where it gains.
    """
    each = _UNITS if name != _BY_ARM else _OPEN_UNITS
    for unit in range(2 * each):
        treated = unit >= each if name == _BY_ARM else unit % 2 == 1
        converts = unit % 10 < 4 and not (treated and unit > _UNITS)
        converts = converts or (treated and name == _GAINS)
        sums = {
            "conversion": float(converts),
            "revenue": float(unit % 7),
            "seconds": unit % 13 / 9.0,
        }
        for metric, value in sums.items():
            yield ExperimentResult(
                event_id=event_uuid(_SUBJECT, name, metric, unit),
                subject=_SUBJECT,
                experiment_id=name,
                variant=_TREATMENT if treated else _CONTROL,
                metric=metric,
                sum=value,
                segment="one" if unit % 3 else "other",
                unit_id=str(unit),
                occurred_at=_NOON + unit % 2,
            )


def _snapshots() -> Iterable[ExperimentResult]:
    for number, variant in enumerate((_CONTROL, _TREATMENT)):
        yield ExperimentResult(
            event_id=event_uuid(_SUBJECT, "snapshot", variant),
            subject=_SUBJECT,
            experiment_id="summed",
            variant=variant,
            metric="conversion",
            kind=ResultKind.SNAPSHOT,
            count=5_000,
            sum=1_000.0 + 400.0 * number,
            occurred_at=_NOON,
        )


def _live() -> Iterable[ModelMetric]:
    """A gauge, whose values are looked at one by one; a version that is sound, and one that is
    not.
    """
    for record in range(_POINTS):
        yield ModelMetric(
            event_id=event_uuid(_SUBJECT, "gauge", record),
            subject=_SUBJECT,
            model_version="1",
            metric="queue",
            sum=float(record % 7),
            segment="one" if record % 3 else "other",
            occurred_at=_NOON - 60_000 * (_POINTS - record),
        )
    for record in range(_RECORDS):
        late = record > _RECORDS // 2
        yield ModelMetric(
            event_id=event_uuid(_SUBJECT, "live", record),
            subject=_SUBJECT,
            model_version="2" if late else "1",
            metric="accuracy",
            sum=float(record % 20 < (10 if late else 19)),
            segment="one" if record % 3 else "other",
            occurred_at=_NOON,
        )
