"""The experiments of histories, and the specs that some of them have."""

from dataclasses import replace

from schemas.ids import event_uuid
from schemas.records import (
    Autonomy,
    Direction,
    ExperimentSpec,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    Role,
    Share,
    ShareStep,
)
from tests.support.builders import NOON
from tests.support.histories.advice import HOME

UP, DOWN = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER


GOAL, GUARD = Role.GOAL, Role.GUARDRAIL


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


_CONVERSION = MetricSpec("conversion", GOAL, UP, MetricKind.RATE)


_ERROR = MetricSpec("error", GUARD, DOWN, MetricKind.RATE, margin=3.0)


SPECIFIED = (
    _spec("rates", HOME[0], ("b",), _shares(control=0.5, b=0.5), _CONVERSION, _ERROR),
    _spec("goal only", HOME[1], ("b",), _shares(control=0.5, b=0.5), _CONVERSION),
    _spec(
        "three",
        HOME[0],
        ("b", "c"),
        _shares(control=0.5, b=0.25, c=0.25),
        MetricSpec("accuracy", GOAL, UP, MetricKind.RATE),
        MetricSpec("defects", GUARD, DOWN, MetricKind.COUNT, margin=3.0),
        MetricSpec("latency", GUARD, DOWN, MetricKind.LATENCY, limit=100.0, margin=3.0),
    ),
    _spec(
        "means",
        HOME[1],
        ("b", "c"),
        (),
        MetricSpec("revenue", GOAL, UP, MetricKind.MEAN, cap=40.0),
        MetricSpec("defects", GUARD, DOWN, MetricKind.COUNT, margin=3.0),
        MetricSpec("accuracy", GUARD, UP, MetricKind.RATE),
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
        MetricSpec("revenue", GOAL, UP, MetricKind.MEAN, cap=40.0),
    ),
    _spec(
        "slow",
        HOME[1],
        ("b",),
        _shares(control=0.5, b=0.5),
        MetricSpec("latency", GUARD, DOWN, MetricKind.LATENCY, margin=3.0),
        MetricSpec("satisfaction", GOAL, UP, MetricKind.MEAN),
    ),
    _spec(
        "snapped",
        HOME[0],
        ("b",),
        _shares(control=0.5, b=0.5),
        _CONVERSION,
        MetricSpec("revenue", GUARD, UP, MetricKind.MEAN, margin=3.0),
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


ROLLED = HOME[0], "rolled"


ASSIGNED = {"ramped": (-4, 6), "rolled": (-4, 3_000)}  # ms after NOON


def varied(spec: ExperimentSpec, terms: int, number: int) -> ExperimentSpec:
    spec = replace(spec, event_id=event_uuid("spec", number, spec.experiment_id, terms))
    if terms == 1:
        return replace(spec, status=ExperimentStatus.STOPPED)
    if terms == 2:
        return replace(
            spec, alpha=0.01, treatments=("b", "z"), share_steps=(), autonomy=Autonomy.APPROVE
        )
    return spec
