"""Derives what follows from a record of each low-volume input: a function each, registered in
inputs.py.
"""

from agents.alerts import raising
from agents.anomalies.fold_points import fallen_silent
from agents.commands import budget, compensation
from agents.commands.disposition import VERSION
from agents.commands.guards import frozen
from agents.core.effects import Output, Refusal
from agents.core.known_subjects import vouch
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.experiments.plan.specs import apply_spec
from agents.failures import followups
from agents.flow import command_effects, findings, row_removal, unusual_points
from agents.learning import fold_recommendations as learning
from agents.trust import agent_days
from agents.trust import fold_outcomes as trust
from schemas.catalog import DECISIONS
from schemas.records import (
    Decision,
    ExperimentSpec,
    ExperimentStatus,
    Order,
    Outcome,
    Recommendation,
    Request,
    RequestKind,
    Tick,
    Verdict,
)
from state.partition.experiment_tables import ExperimentTables
from state.partition.learning_tables import LearningTables
from state.partition.partition_state import PartitionState
from state.partition.trust_tables import TrustTables

_CANCEL = command_effects.moving(compensation.cancelled)


def requested(request: Request, place: Provenance, state: PartitionState) -> list[Output] | Refusal:
    match request.kind:
        case RequestKind.INITIALISE_TRUST:
            return trust.initialise(request, place, state.trust)
        case RequestKind.LEARN:
            return learning.asked(request, place, state.learning)
        case RequestKind.CANCEL:
            return _CANCEL(request, place, state)
        case RequestKind.FREEZE | RequestKind.UNFREEZE:
            frozen(request, state.commands)
            return []
    vouch(request.subject, state.subjects)
    finding = findings.asked(request)
    return findings.ordered(finding, place, state, request.requested_by)[0]


def recommended(
    one: Recommendation, place: Provenance, tables: tuple[TrustTables, LearningTables]
) -> list[Output] | Refusal:
    of_trust, of_learning = tables
    agent_days.tracked(one, place, of_trust)
    return learning.tracked(one, place, of_learning)


def specified(spec: ExperimentSpec, place: Provenance, tables: ExperimentTables) -> list[Output]:
    vouch(spec.subject, tables.subject_tables)
    if spec.status == ExperimentStatus.STOPPED:
        tables.silence.ended(spec.subject)
    ignored = apply_spec(spec, place.now, tables)
    if ignored is None:
        return []
    policy = policy_for(spec.subject, tables.policies)
    decision = Decision(
        decision_id=place.event_id("specs", spec.experiment_id),
        subject=spec.subject,
        verdict=Verdict.IGNORED_SPEC,
        order=Order.NONE,
        outcome=Outcome.HELD,
        experiment_id=spec.experiment_id,
        metric="",
        rule="a spec stands from the first result on",
        reason=ignored,
        evidence=(),
        policy_id=policy.policy_id,
        policy_version=policy.event_id,
        decided_at=place.now,
        agents=VERSION,
    )
    return [Output(DECISIONS, decision.subject, decision.decision_id, decision, place.now)]


def ticked(_tick: Tick, place: Provenance, state: PartitionState) -> list[Output]:
    outputs = [
        *command_effects.followed(command_effects.due(place, state.commands), place, state),
        *budget.sobered(place, state.commands),
        *findings.closed(place, state),
        *findings.again(place, state),
        *findings.missed(place, state.experiments, state.alerts),
    ]
    outputs += unusual_points.followed(fallen_silent(place, state.anomalies), state)
    outputs += followups.tick(place, state.failures)
    if state.trust.enabled:
        outputs += trust.refresh(place, state.trust) + learning.tick(place, state.learning)
    return outputs + raising.lasting(place, state.alerts) + row_removal.tick(place, state)
