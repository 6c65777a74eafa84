"""The specs of the simulated experiments: one treatment, one judged metric."""

from schemas.records import (
    Direction,
    ExperimentSpec,
    MetricKind,
    MetricSpec,
    Role,
    Share,
    ShareStep,
)

UP, DOWN = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER

CONVERSION = MetricSpec("conversion", Role.GOAL, UP, MetricKind.RATE)
ERROR = MetricSpec("error", Role.GUARDRAIL, DOWN, MetricKind.RATE)


def experiment(metric: MetricSpec, *steps: tuple[float, int | None]) -> ExperimentSpec:
    """steps: (the treatment's planned share, the moment from which it holds); none: no share is
    stated.
    """
    return ExperimentSpec(
        event_id="simulated",
        experiment_id="simulated",
        subject="simulated",
        control="control",
        treatments=("treatment",),
        share_steps=tuple(
            ShareStep(
                from_=moment, shares=(Share("control", 1.0 - share), Share("treatment", share))
            )
            for share, moment in steps
        ),
        metrics=(metric,),
    )
