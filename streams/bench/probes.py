"""Records that are waited for: each brings an experiment of its own over the line, so that a
command must follow.
"""

from schemas.ids import event_uuid
from schemas.records import (
    Direction,
    ExperimentResult,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    Policy,
    Role,
    Share,
    ShareStep,
)
from schemas.validation.policy_checks import COMMANDS_MAX

POLICY = Policy(
    event_id="probes", policy_id="probes", commands_per_hour=COMMANDS_MAX, subjects_share=1.0
)
_CONTROL, _TREATMENT = "control", "treatment"
_CONVERSION = MetricSpec("conversion", Role.GOAL, Direction.HIGHER_IS_BETTER, MetricKind.RATE)
_UNITS = (
    200  # of each arm: many more than a proof takes where all of one fail and none of the other
)
_ARMS = ((_TREATMENT, 0.0), (_CONTROL, float(_UNITS)))  # in the order of their records
LENGTH = len(_ARMS)  # records
_MINUTE_MS = 60_000


def subject_of(number: int) -> str:
    return f"probe-{number}"


def spec_of(number: int) -> ExperimentSpec:
    return ExperimentSpec(
        event_id=event_uuid("probe-spec", number),
        experiment_id=subject_of(number),
        subject=subject_of(number),
        control=_CONTROL,
        treatments=(_TREATMENT,),
        share_steps=(ShareStep(shares=(Share(_CONTROL, 0.5), Share(_TREATMENT, 0.5))),),
        metrics=(_CONVERSION,),
    )


def records_of(number: int, moment: int) -> list[ExperimentResult]:
    """Returns the results that one probe's experiment sends: units of the treatment that all fail,
    then those of control, which prove it. What the first says alone no clock makes a verdict of.

    moment: when the last of them occurred, ms.
    """
    name = subject_of(number)
    return [
        ExperimentResult(
            event_id=event_uuid("probe", number, at),
            subject=name,
            experiment_id=name,
            variant=variant,
            metric=_CONVERSION.name,
            count=_UNITS,
            sum=total,
            occurred_at=moment - (LENGTH - 1 - at) * _MINUTE_MS,
        )
        for at, (variant, total) in enumerate(_ARMS)
    ]
