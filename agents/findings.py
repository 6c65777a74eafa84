"""What follows from a finding: the decision, the command, and where it is a failure its analysis and its facts."""

from dataclasses import replace

from agents import commander, decider, followups
from agents.effects import Output
from agents.failure.analyse import analyse
from agents.failure.causes import signal_of
from agents.failure.classify import FAILURES
from agents.patterns.route import specialist_for
from agents.place import Place
from agents.policy import policy_for
from agents.slice import Facts, Finding
from schemas.catalog import COMMANDS, DECISIONS
from schemas.catalog import FAILURES as FAILURES_TOPIC
from schemas.lessons import Advice, FailureAnalysis
from schemas.records import Command, Decision, ExperimentRow, Order, Verdict
from state.table import row_key
from state.tables import Tables

_ACTIONS = {Order.ROLLBACK: "roll back", Order.RETRAIN: "retrain"}
_SIGNS = FAILURES | {Verdict.UNSTABLE}  # of what may follow


def act(facts: Facts, finding: Finding, tables: Tables) -> list[Output]:
    """Everything that one finding asks for, in order."""
    lessons, policy = tables.lessons, policy_for(finding.subject, tables.policies.values())
    decision = decider.decide(facts, finding, policy, _experiment(finding, tables))
    offset, occurred_at = int(facts.offsets[finding.at]), int(facts.ints("occurred_at")[finding.at])
    place = Place(facts.topic, facts.partition, offset, decision.decided_at)
    analysis = None
    if finding.verdict in FAILURES:
        sightings = followups.sightings_of(finding.subject, lessons)
        analysis = analyse(finding, decision, policy, sightings, place, occurred_at)
        finding = _planned(finding, analysis, tables)
    outputs, command = _ordered(decision, finding, tables)
    if analysis is not None:
        # What was rolled back is to be mended; where a training or an improvement is ordered, that has its turn first.
        advised = finding.order == Order.ROLLBACK
        outputs.append(Output(FAILURES_TOPIC, analysis.subject, analysis.failure_id, analysis, place.now))
        outputs += followups.failed(analysis, signal_of(finding), advised, place, lessons)
        if command is not None:
            action = _ACTIONS.get(decision.order, finding.strategy)
            followups.ordered(command, action, analysis.pattern, finding.agent, finding.metric, place, lessons)
    if finding.verdict in _SIGNS:
        outputs += followups.sight(finding.subject, signal_of(finding), occurred_at, place, lessons)
    if finding.verdict in (Verdict.HARM, Verdict.GAIN) or finding.came_with_version:
        good = finding.verdict == Verdict.GAIN
        outputs += followups.version_judged(
            finding.subject, finding.model_version, float(good), decision.decision_id, place, lessons
        )
    return outputs


def follow(advice: Advice, place: Place, tables: Tables) -> list[Output]:
    """What follows from advice against a failure: a decision to improve, and the command by the autonomy in force."""
    policy = policy_for(advice.subject, tables.policies.values())
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
    decision = decider.decided(finding, policy, None, place)
    outputs, command = _ordered(decision, finding, tables)
    if command is not None:
        followups.ordered(command, advice.strategy, advice.pattern, "patterns", advice.metric, place, tables.lessons)
    return outputs


def _ordered(decision: Decision, finding: Finding, tables: Tables) -> tuple[list[Output], Command | None]:
    decision, command = commander.order(decision, finding, tables)
    outputs = [Output(DECISIONS, decision.subject, decision.decision_id, decision, decision.decided_at)]
    if command is not None:
        topic = COMMANDS[decision.order]
        outputs.append(Output(topic, command.subject, command.command_id, command, command.issued_at))
    return outputs, command


def _planned(finding: Finding, analysis: FailureAnalysis, tables: Tables) -> Finding:
    """The finding with the strategy that its improvement is ordered with."""
    if finding.order != Order.IMPROVE or not analysis.hypotheses:
        return finding
    best, lessons = analysis.hypotheses[0], tables.lessons
    named = next((one for one in analysis.hypotheses if one.text == finding.hypothesis), best)
    return replace(
        finding,
        strategy=named.strategy,
        specialist=specialist_for(analysis.types[0], finding.subject, lessons.heard()),
        hypothesis=finding.hypothesis or named.text,
        expected_gain=named.expected_gain,
        expected_cost=named.expected_cost,
    )


def _experiment(finding: Finding, tables: Tables) -> ExperimentRow | None:
    if finding.experiment_id is None:
        return None
    return tables.experiments.get(row_key(finding.subject, finding.experiment_id))
