"""Derives what follows from a finding: the decision, the command, and where it is a failure its
analysis and its facts.
"""

from dataclasses import replace

from agents.alerts import alert_metrics
from agents.alerts.alert_metrics import AlertMetric
from agents.alerts.events import Happening, happened
from agents.alerts.raising import crowd_of_subject, observe_subject
from agents.commands.circumstances import Circumstances, own_deployments
from agents.commands.disposition import decided, dispose, noted
from agents.commands.guards import PERSONS_RULE
from agents.commands.ledger import CommandEffects, CommandLedger
from agents.commands.lifecycle import WAITING
from agents.commands.ordering import order
from agents.core.batch import Finding, OrderTerms
from agents.core.effects import Output
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.drift import watched_anew as watched
from agents.experiments.oversight import open_blocks, periodic_checks
from agents.experiments.verdicts import reopening as judged
from agents.failures import followups
from agents.failures.analysis.analyse import analyse
from agents.failures.analysis.causes import signal_of
from agents.failures.analysis.classify import FAILURES
from agents.failures.patterns.strategy_ranking import specialist_for
from agents.flow import command_effects
from agents.flow.reopened_verdicts import unserved
from schemas.catalog import DECISIONS, TICKS
from schemas.catalog import FAILURES as FAILURES_TOPIC
from schemas.persons import OURSELVES
from schemas.records import (
    Advice,
    CommandRow,
    Decision,
    Event,
    ExperimentRow,
    FailureAnalysis,
    Order,
    Policy,
    Request,
    Severity,
    Verdict,
)
from state.partition.alert_tables import AlertTables
from state.partition.command_tables import CommandTables
from state.partition.experiment_tables import ExperimentTables
from state.partition.failure_tables import FailureTables
from state.partition.partition_state import PartitionState
from state.partition.trust_tables import TrustTables
from state.storage.table import row_key

_ACTIONS = {Order.ROLLBACK: "roll back", Order.RETRAIN: "retrain"}
PRODUCTION = "production"
_SIGNS = FAILURES | {Verdict.UNSTABLE}  # of what may follow


def act(
    finding: Finding, place: Provenance, appended: int, occurred_at: int, state: PartitionState
) -> list[Output]:
    """Everything that one finding asks for, in order.

    place: of the record that proves it; appended, occurred_at: when it was, by the broker and by
    its producer, ms.
    """
    policy = policy_for(finding.subject, state.policies)
    old = place.now - appended > policy.max_age_ms
    return _acted(replace(finding, dry_run=old), place, occurred_at, state, policy)


def again(place: Provenance, state: PartitionState) -> list[Output]:
    """Returns what is ordered again, because the commands before ended without being carried out
    and it stands.
    """
    outputs: list[Output] = []
    for key in state.drift.rewatches.due(place.now):
        subject = watched.due(key, place, state.drift)
        if subject is not None:
            count = unserved(subject, state.experiments, state.drift)
            outputs += observe_subject(alert_metrics.UNSERVED, subject, count, place, state.alerts)
    for key in state.experiments.reopenings.due(place.now):
        experiment = state.experiments.experiments.get(key)
        assert experiment is not None, f"{key} is due without a row"
        policy = policy_for(experiment.subject, state.policies)
        for finding in judged.due(key, place, state.experiments, policy.max_age_ms):
            outputs += _acted(finding, place, place.now, state, policy, told=True)
        count = unserved(experiment.subject, state.experiments, state.drift)
        outputs += observe_subject(
            alert_metrics.UNSERVED, experiment.subject, count, place, state.alerts
        )
    return outputs


def closed(place: Provenance, state: PartitionState) -> list[Output]:
    """Returns what is proved by blocks that nothing closed but the clock."""
    return [
        output
        for finding, appended in open_blocks.close_waiting(place, state.experiments)
        for output in act(finding, place, appended, place.now, state)
    ]


def missed(place: Provenance, experiments: ExperimentTables, alerts: AlertTables) -> list[Output]:
    """Returns what is told of experiments that cannot be judged, and of those that end."""
    outputs: list[Output] = []
    for key in experiments.lack_checks.due(place.now):
        seen = periodic_checks.look_after(key, place, experiments)
        policy = policy_for(seen.subject, experiments.policies)
        for finding in seen.findings:
            decision = noted(_apart(finding, place), policy, place)
            outputs.append(
                Output(DECISIONS, decision.subject, decision.decision_id, decision, place.now)
            )
        for kind, value in (
            periodic_checks.lasting(seen.subject, experiments).items() if seen.changed else ()
        ):
            outputs += observe_subject(
                alert_metrics.LACKS[kind], seen.subject, float(value), place, alerts
            )
    return outputs


def _apart(finding: Finding, place: Provenance) -> Finding:
    """The finding with an id of its own, where much is found of many subjects at one tick."""
    if place.topic != TICKS:
        return finding
    about = row_key(finding.subject, finding.experiment_id, finding.ordinal)
    return replace(finding, ordinal=about)


def _acted(
    finding: Finding,
    place: Provenance,
    occurred_at: int,
    state: PartitionState,
    policy: Policy,
    told: bool = False,
) -> list[Output]:
    """told: its failure was, and is not learnt from once more."""
    experiment = _experiment(finding, state.experiments)
    finding = replace(finding, environment=experiment.environment if experiment else PRODUCTION)
    finding = _apart(finding, place)
    case = Circumstances(finding, experiment, place, state.commands, policy)
    disposition = dispose(case)
    decision = decided(finding, disposition, policy, place)
    own = own_deployments(finding, state.commands)
    analysis = None
    if finding.verdict in FAILURES:
        sightings = followups.sightings_of(finding.subject, state.failures)
        analysis = analyse(finding, decision, policy, sightings, place, occurred_at)
        finding = _planned(finding, analysis, state.trust)
    row, effects = order(decision, finding, disposition, case)
    outputs = [_told(decision), *command_effects.followed(effects, place, state)]
    if finding.verdict == Verdict.HARM:
        outputs += _news(alert_metrics.HARM, decision, place, state.alerts, policy)
    if analysis is not None and analysis.severity == Severity.CRITICAL:
        outputs += _news(alert_metrics.CRITICAL, decision, place, state.alerts, policy)
    outputs += command_effects.followed(_dropped(own, place, state.commands), place, state)
    if experiment is not None and finding.order in (Order.ROLLBACK, Order.DEPLOY):
        _noted(finding, decision, state.experiments)
    if not told:
        outputs += _learnt(finding, decision, analysis, place, occurred_at, state.failures)
    if analysis is not None and row is not None:
        action = _ACTIONS.get(decision.order, finding.strategy)
        followups.ordered(
            row, action, analysis.pattern, finding.agent, finding, place, state.failures
        )
    return outputs


def _learnt(
    finding: Finding,
    decision: Decision,
    analysis: FailureAnalysis | None,
    place: Provenance,
    occurred_at: int,
    tables: FailureTables,
) -> list[Output]:
    """Returns what a finding tells patterns, signals and trust."""
    outputs = list[Output]()
    if analysis is not None:
        # What was rolled back is to be mended; where a training or an improvement is ordered, that
        # has its turn first.
        advised = finding.order == Order.ROLLBACK
        outputs.append(
            Output(FAILURES_TOPIC, analysis.subject, analysis.failure_id, analysis, place.now)
        )
        outputs += followups.failed(analysis, signal_of(finding), advised, place, tables)
    if finding.verdict in _SIGNS:
        outputs += followups.sight(finding.subject, signal_of(finding), occurred_at, place, tables)
    if finding.verdict in (Verdict.HARM, Verdict.GAIN) or finding.came_with_version:
        good = finding.verdict == Verdict.GAIN
        outputs += followups.version_judged(
            finding.subject,
            finding.model_version,
            float(good),
            decision.decision_id,
            place,
            tables,
        )
    return outputs


def follow(advice: Advice, place: Provenance, state: PartitionState) -> list[Output]:
    """Returns what follows from advice against a failure: a decision to improve, and the command by
    the autonomy in force.
    """
    finding = Finding(
        at=0,
        agent="patterns",
        ordinal=f"{advice.failure_id}|{advice.strategy}",
        verdict=Verdict.FAILURE,
        order=Order.IMPROVE,
        subject=advice.subject,
        metric=advice.metric,
        rule="strategy by expected gain for its cost",
        reason=f"{advice.subject}: {advice.reason}; {advice.specialist} is asked",
        evidence=advice.evidence,
        experiment_id=advice.experiment_id,
        variant=advice.variant,
        model_version=advice.model_version,
        segments=advice.segments,
        hypothesis=advice.hypothesis,
        strategy=advice.strategy,
        specialist=advice.specialist,
        expected_gain=advice.expected_gain,
        expected_cost=advice.expected_cost,
    )
    outputs, row = ordered(finding, place, state)
    if row is not None:
        followups.ordered(
            row, advice.strategy, advice.pattern, finding.agent, finding, place, state.failures
        )
    return outputs


def asked(request: Request) -> Finding:
    """A person's own order, as a finding of what is wanted."""
    return Finding(
        at=0,
        agent="people",
        ordinal=request.event_id,
        verdict=Verdict.REQUEST,
        order=Order(request.kind),
        subject=request.subject,
        metric="",
        rule=PERSONS_RULE,
        reason=f"{request.requested_by} asks for it"
        + (f": {request.detail}" if request.detail else ""),
        evidence=(),
        experiment_id=request.experiment_id,
        variant=request.variant,
        model_version=request.model_version,
        to_version=request.to_version,
        strategy=request.strategy,
        environment=request.environment,
        terms=OrderTerms(request.priority, request.max_retries, request.failure_id),
    )


def ordered(
    finding: Finding, place: Provenance, state: PartitionState, asked_by: str = ""
) -> tuple[list[Output], CommandRow | None]:
    """The decision on a finding that is no verdict on data, with all that its command leads to, and
    the command's row. asked_by: the person whose own order it is.
    """
    policy = policy_for(finding.subject, state.policies)
    case = Circumstances(finding, None, place, state.commands, policy, asked_by)
    disposition = dispose(case)
    decision = decided(finding, disposition, policy, place)
    row, effects = order(decision, finding, disposition, case)
    return [_told(decision), *command_effects.followed(effects, place, state)], row


def _told(decision: Decision) -> Output:
    return Output(DECISIONS, decision.subject, decision.decision_id, decision, decision.decided_at)


def _news(
    metric: AlertMetric,
    decision: Decision,
    place: Provenance,
    alerts: AlertTables,
    policy: Policy,
) -> list[Output]:
    """The alert of a decision as it was written, with what became of it."""
    said = f"{decision.reason} [{decision.outcome}]"
    whose = crowd_of_subject(decision.subject, place.now, alerts)
    one = Happening(metric, decision.subject, whose, decision.decision_id, said)
    return happened(one, place, alerts, policy)


def _dropped(own: list[CommandRow], place: Provenance, commands: CommandTables) -> CommandEffects:
    """Deployments that nobody has begun are not begun any more, whenever the rollback is."""
    ledger = CommandLedger(place, commands)
    for before in own:
        row = commands.commands.get(before.command_id)
        if row is not None and row.phase in WAITING:
            why = f"harm of {row.variant} was proved since"
            ledger.move(row, Event.GO_STALE, OURSELVES, why)
    return ledger.effects


def _noted(finding: Finding, decision: Decision, experiments: ExperimentTables) -> None:
    """Keeps with the verdict which command it led to."""
    experiment = _experiment(finding, experiments)
    assert experiment is not None
    judged.note(experiment, finding, decision.command_id, experiments)


def _planned(finding: Finding, analysis: FailureAnalysis, trust: TrustTables) -> Finding:
    """The finding with the strategy that its improvement is ordered with."""
    if finding.order != Order.IMPROVE or not analysis.hypotheses:
        return finding
    best = analysis.hypotheses[0]
    named = next((one for one in analysis.hypotheses if one.text == finding.hypothesis), best)
    return replace(
        finding,
        strategy=named.strategy,
        specialist=specialist_for(analysis.types[0], finding.subject, trust.in_force()),
        hypothesis=finding.hypothesis or named.text,
        expected_gain=named.expected_gain,
        expected_cost=named.expected_cost,
    )


def _experiment(finding: Finding, experiments: ExperimentTables) -> ExperimentRow | None:
    if finding.experiment_id is None:
        return None
    return experiments.experiments.get(row_key(finding.subject, finding.experiment_id))
