"""How a version comes into service and out of it again, as tables; the moves that they allow,
without any IO.

RAMPS says what share of the traffic a candidate has at each step of a strategy, and MOVES what may
follow on what. A move gives the next Placed; a target that holds another by then refuses it, which
is how a rollback of the judge's stops a promotion.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from schemas.records import Command, FailureCause, Order, Status
from streams.executor.placement import Finished, PlacementPhase, StaleToken, TargetState, with_end


class RolloutStrategy(StrEnum):
    """The way in which a candidate gets its traffic."""

    IMMEDIATE = "immediate"
    ROLLING = "rolling"
    BLUE_GREEN = "blue-green"
    CANARY = "canary"


class Promotion(StrEnum):
    """The condition on which a canary of an experiment's variant may have all of the traffic."""

    VERDICT = "verdict"  # of the judge, that the gain is proved
    HEALTH = "health"


RAMPS: Mapping[RolloutStrategy, tuple[int, ...]] = {  # percent of the traffic, step by step
    RolloutStrategy.IMMEDIATE: (100,),
    RolloutStrategy.ROLLING: (25, 50, 75, 100),
    RolloutStrategy.BLUE_GREEN: (
        0,
        100,
    ),  # beside the baseline without traffic, then in its place with the baseline kept
    RolloutStrategy.CANARY: (1, 5, 10, 25, 50, 100),
}
BAKE_SECONDS: Mapping[RolloutStrategy, float] = {  # unless a target says otherwise
    RolloutStrategy.IMMEDIATE: 0.0,
    RolloutStrategy.ROLLING: 60.0,
    RolloutStrategy.BLUE_GREEN: 600.0,
    RolloutStrategy.CANARY: 600.0,
}


class RolloutEvent(StrEnum):
    """The events that move a rollout on."""

    DEPLOY = "a deploy command"
    ROLLBACK = "a rollback command"
    BAKED = "its time at this step is over, and it is healthy"
    PASSED = "its time at the last step is over, and it is healthy"
    SICK = "it is unhealthy"


MOVES: Mapping[tuple[PlacementPhase, RolloutEvent], PlacementPhase] = {
    (PlacementPhase.IDLE, RolloutEvent.DEPLOY): PlacementPhase.BAKING,
    (PlacementPhase.PROMOTED, RolloutEvent.DEPLOY): PlacementPhase.BAKING,
    (PlacementPhase.UNDONE, RolloutEvent.DEPLOY): PlacementPhase.BAKING,
    (PlacementPhase.ROLLED_BACK, RolloutEvent.DEPLOY): PlacementPhase.BAKING,
    (
        PlacementPhase.BAKING,
        RolloutEvent.DEPLOY,
    ): PlacementPhase.BAKING,  # a later command takes the place of what is under way
    (PlacementPhase.BAKING, RolloutEvent.BAKED): PlacementPhase.BAKING,
    (PlacementPhase.BAKING, RolloutEvent.PASSED): PlacementPhase.PROMOTED,
    (PlacementPhase.BAKING, RolloutEvent.SICK): PlacementPhase.UNDONE,
    (PlacementPhase.IDLE, RolloutEvent.ROLLBACK): PlacementPhase.ROLLED_BACK,
    (PlacementPhase.BAKING, RolloutEvent.ROLLBACK): PlacementPhase.ROLLED_BACK,
    (PlacementPhase.PROMOTED, RolloutEvent.ROLLBACK): PlacementPhase.ROLLED_BACK,
    (PlacementPhase.UNDONE, RolloutEvent.ROLLBACK): PlacementPhase.ROLLED_BACK,
    (PlacementPhase.ROLLED_BACK, RolloutEvent.ROLLBACK): PlacementPhase.ROLLED_BACK,
}


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """The strategy and the waiting times of rollouts at one target.

    bake_seconds: at each step, at least. settle_seconds: from the beginning of a step, while pods
    start, an unhealthy answer is not yet one.
    """

    strategy: RolloutStrategy = RolloutStrategy.CANARY
    bake_seconds: float = BAKE_SECONDS[RolloutStrategy.CANARY]
    settle_seconds: float = 60.0
    promotion: Promotion = Promotion.VERDICT


def ended(standing: TargetState, command: Command) -> Finished | None:
    """Returns how the command ended; None where it did not, or where a later attempt may do better.

    A later attempt cannot do better where the candidate failed.
    """
    for end in standing.finished:
        if end.command_id == command.command_id and (
            end.attempt == command.attempt or _for_good(end)
        ):
            return end
    return None


def _for_good(end: Finished) -> bool:
    return end.status in (Status.COMPLETED, Status.REFUSED) or end.cause == FailureCause.CANDIDATE


def under_way(standing: TargetState, command: Command) -> bool:
    """Returns True where the target is at work on this attempt at the command."""
    mine = (standing.command_id, standing.attempt) == (command.command_id, command.attempt)
    return mine and standing.phase == PlacementPhase.BAKING


def begun(
    standing: TargetState, order: Order, command: Command, plan: RolloutPlan, now: int
) -> TargetState:
    """Returns the state that a command makes of the one that stands, before any time has passed.

    Raises StaleToken where a later command has been there.
    """
    same = standing.command_id == command.command_id
    if command.fencing_token < standing.fencing_token or (
        command.fencing_token == standing.fencing_token and standing.command_id and not same
    ):
        raise StaleToken(
            f"{command.target} was changed by command {standing.command_id} with fencing token "
            f"{standing.fencing_token}; this one has {command.fencing_token}"
        )
    marked = replace(
        standing,
        command_id=command.command_id,
        attempt=command.attempt,
        fencing_token=command.fencing_token,
    )
    if order == Order.ROLLBACK:
        return _rolled_back(standing, marked, command, now)
    assert order == Order.DEPLOY, f"{order} is no rollout"
    if same and standing.phase == PlacementPhase.BAKING:
        return marked  # a later attempt goes on where the one before it is
    candidate = command.to_version or command.model_version or command.variant or ""
    if standing.phase == PlacementPhase.BAKING and candidate and candidate == standing.candidate:
        # what is under way is ordered once more, as when it is proved: it goes on where it is
        return marked
    if not candidate:
        return _end(standing, command, Status.REFUSED, "the command names no version")
    if candidate == standing.baseline:
        # What is under way, or comes late, is older: it must not take the place of what is ordered
        # to stand.
        return _own_end(
            _stopped(standing, marked, now),
            Status.COMPLETED,
            f"{candidate} is the baseline already",
        )
    return replace(
        marked,
        candidate=candidate,
        share=RAMPS[plan.strategy][0],
        phase=MOVES[standing.phase, RolloutEvent.DEPLOY],
        strategy=plan.strategy,
        step=0,
        since=now,
    )


def look(standing: TargetState, healthy: bool, plan: RolloutPlan, now: int) -> RolloutEvent | None:
    """Returns the event that health and time make of a rollout under way; None while there is none.

    now: ms. A step that was healthy for `bake_seconds` has BAKED, the last one has PASSED; one that
    is unhealthy after `settle_seconds` is SICK.
    """
    at_step = now - standing.since
    if not healthy:
        return RolloutEvent.SICK if at_step >= plan.settle_seconds * 1_000 else None
    if at_step < plan.bake_seconds * 1_000:
        return None
    return RolloutEvent.PASSED if standing.step + 1 == len(_ramp(standing)) else RolloutEvent.BAKED


def moved(standing: TargetState, event: RolloutEvent, now: int) -> TargetState:
    """Returns the state after an event of a rollout under way; now: ms."""
    after = replace(standing, phase=MOVES[standing.phase, event], since=now)
    if event == RolloutEvent.BAKED:
        step = standing.step + 1
        return replace(after, step=step, share=_ramp(standing)[step])
    if event == RolloutEvent.PASSED:
        done = replace(after, baseline=standing.candidate, candidate="", share=0)
        return _own_end(done, Status.COMPLETED, f"{standing.candidate} is the baseline: share=100%")
    assert event == RolloutEvent.SICK, f"{event} does not come by itself"
    what = (
        f"{standing.candidate} was unhealthy at {standing.share} % of the traffic and was "
        "rolled back: share=0%"
    )
    return _own_end(replace(after, share=0), Status.FAILED, what, FailureCause.CANDIDATE)


def describe(standing: TargetState) -> str:
    """Returns a sentence on a rollout under way.

    Example: "canary of v2: share=50%".
    """
    return f"{standing.strategy} of {standing.candidate}: share={standing.share}%"


def _rolled_back(
    standing: TargetState, marked: TargetState, command: Command, now: int
) -> TargetState:
    """Nothing of the candidate's at once; where the baseline itself is bad, the version before it
    in its place.
    """
    bad = {name for name in (command.model_version, command.variant) if name}
    after = replace(
        marked, share=0, phase=MOVES[standing.phase, RolloutEvent.ROLLBACK], step=0, since=now
    )
    if standing.baseline in bad and standing.candidate not in bad:
        if not command.to_version or command.to_version in bad:
            what = (
                f"{standing.baseline} is the baseline, and the command names no version to put "
                "in its place"
            )
            if standing.phase != PlacementPhase.BAKING:
                return _end(standing, command, Status.REFUSED, what)
            stopped = f"{what}; the rollout of {standing.candidate} was stopped: share=0%"
            return _own_end(_stopped(standing, marked, now), Status.REFUSED, stopped)
        after = replace(after, baseline=command.to_version, candidate=standing.baseline)
        return _own_end(
            after,
            Status.COMPLETED,
            f"{command.to_version} serves in place of {standing.baseline}: share=0%",
        )
    candidate = standing.candidate or command.model_version or command.variant or ""
    return _own_end(
        replace(after, candidate=candidate),
        Status.COMPLETED,
        f"{candidate} has no traffic: share=0%",
    )


def _stopped(standing: TargetState, marked: TargetState, now: int) -> TargetState:
    """The baseline alone, by a later command: a rollout under way has ended."""
    if standing.phase != PlacementPhase.BAKING:
        return marked
    return replace(
        marked, share=0, phase=MOVES[standing.phase, RolloutEvent.ROLLBACK], step=0, since=now
    )


def _own_end(
    placed: TargetState, status: Status, detail: str, cause: FailureCause = FailureCause.UNKNOWN
) -> TargetState:
    """The end of the command that changed the target last."""
    end = Finished(placed.command_id, placed.attempt, status, detail, cause)
    return replace(placed, finished=with_end(placed, end))


def _end(standing: TargetState, command: Command, status: Status, detail: str) -> TargetState:
    """The end of a command that changes nothing but what is remembered."""
    end = Finished(command.command_id, command.attempt, status, detail)
    return replace(standing, finished=with_end(standing, end))


def _ramp(standing: TargetState) -> tuple[int, ...]:
    return RAMPS[RolloutStrategy(standing.strategy)]
