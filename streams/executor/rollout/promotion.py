"""Ties a rollout to the judge of its experiment: shares are told, and a verdict is waited for."""

from dataclasses import dataclass

from schemas.records import Command
from streams.executor.placement import TargetState
from streams.executor.rollout.state_machine import RAMPS, Promotion, RolloutPlan, RolloutStrategy


@dataclass(frozen=True, slots=True)
class Traffic:
    """The candidate's share of the traffic, in [0, 1], between two moments, ms; ends: None until
    something changes it.
    """

    share: float
    begins: int
    ends: int | None = None


def traffic_at(standing: TargetState, share: float, plan: RolloutPlan) -> Traffic | None:
    """The share of a step once it has settled, until the first moment at which it may be moved;
    None where that is never.

    share: what the target gives for the share that the step wants.
    """
    begins = standing.since + int(plan.settle_seconds * 1_000)
    ends = _baked(standing, plan)
    return Traffic(share, begins, ends) if begins < ends else None


def waiting_traffic(standing: TargetState, share: float, plan: RolloutPlan) -> Traffic:
    """Returns the traffic of a baked rollout that waits for a command or the candidate's
    illness.
    """
    return Traffic(share, _baked(standing, plan))


def waits_for_verdict(standing: TargetState, command: Command, plan: RolloutPlan) -> bool:
    """Returns True where a canary may not have all of the traffic before it is proved better.

    A deployment that the judge orders brings its proof; one that undoes a rollback, or tries
    nothing, has nothing to prove.
    """
    ramp = RAMPS[RolloutStrategy(standing.strategy)]
    last = standing.step + 1 < len(ramp) and ramp[standing.step + 1] == 100
    asked = standing.strategy == RolloutStrategy.CANARY and plan.promotion == Promotion.VERDICT
    tried = command.experiment_id is not None and command.compensates is None
    return last and asked and tried and not command.evidence


def _baked(standing: TargetState, plan: RolloutPlan) -> int:
    return standing.since + int(plan.bake_seconds * 1_000)
