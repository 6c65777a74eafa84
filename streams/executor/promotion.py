"""What a rollout and the judge of its experiment have to do with each other: shares told, and a verdict waited for."""

from dataclasses import dataclass

from schemas.records import Command
from streams.executor.rollout import RAMPS, Plan, Promotion, Strategy
from streams.executor.target import Placed


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the candidate has of the traffic, in [0, 1], between two moments, ms; ends: None until something changes it."""

    share: float
    begins: int
    ends: int | None = None


def traffic_at(standing: Placed, share: float, plan: Plan) -> Traffic | None:
    """The share of a step once it has settled, until the first moment at which it may be moved; None where that is never.

    share: what the target gives for the share that the step wants.
    """
    begins = standing.since + int(plan.settle_seconds * 1_000)
    ends = _baked(standing, plan)
    return Traffic(share, begins, ends) if begins < ends else None


def held(standing: Placed, share: float, plan: Plan) -> Traffic:
    """The share from when on a rollout waits: what it waits for is a command, or the candidate's illness."""
    return Traffic(share, _baked(standing, plan))


def waits_for_verdict(standing: Placed, command: Command, plan: Plan) -> bool:
    """Whether a canary may not have all of the traffic yet: of what it tries nothing is proved.

    A deployment that the judge orders brings its proof; one that undoes a rollback, or tries nothing, has nothing to prove.
    """
    ramp = RAMPS[Strategy(standing.strategy)]
    last = standing.step + 1 < len(ramp) and ramp[standing.step + 1] == 100
    asked = standing.strategy == Strategy.CANARY and plan.promotion == Promotion.VERDICT
    tried = command.experiment_id is not None and command.compensates is None
    return last and asked and tried and not command.evidence


def _baked(standing: Placed, plan: Plan) -> int:
    return standing.since + int(plan.bake_seconds * 1_000)
