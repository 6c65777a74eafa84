"""Opens a verdict again that is not served where a command ended, and tells people.

Every end but COMPLETED for real leaves what was proved unanswered. It is ordered again while it
stands on the data: at once after the first such end, then after waits that double up to an hour;
after a person's no only once the evidence has doubled and the person's time is over.

An improvement ordered by advice against a failure is not: it serves no verdict that could be looked
at again, only what helped against failures of its kind before. That the failure stands nobody says
but its own finding, which has a command of its own, or the next failure of its pattern, which asks
for advice anew and by then knows how this one ended. People are told of the end.
"""

from agents.commands.command_ends import end_of
from agents.commands.disposition import VERSION
from agents.commands.ledger import MINUTE_MS, stored
from agents.core.command_outcome import End, EndedHow
from agents.core.effects import Output
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.drift import watched_anew as watched
from agents.experiments.verdicts import reopening as judged
from schemas.catalog import DECISIONS
from schemas.records import CommandRow, Decision, Order, Outcome, Policy, Verdict
from state.partition.command_tables import CommandTables
from state.partition.drift_tables import DriftTables
from state.partition.experiment_tables import ExperimentTables

RULE = "its command was not carried out"
_SAID = {EndedHow.DENIED: "a person said no", EndedHow.OVERTAKEN: "a later order has its target"}


def ended(
    row: CommandRow,
    place: Provenance,
    commands: CommandTables,
    experiments: ExperimentTables,
    drift: DriftTables,
) -> tuple[list[Output], list[float]]:
    """The decision that a verdict is open again, and how many of its subject's wait so; nothing for
    other commands.
    """
    policy = policy_for(row.subject, commands.policies)
    end = end_of(row, commands)
    if end.how == EndedHow.NOT_YET or row.compensates is not None:
        return [], []
    told = (
        _experiment(row, end, place, experiments, policy)
        if row.experiment_id
        else _live(row, end, place, drift, policy)
    )
    if told is None:
        return [], []
    waiting = [float(unserved(row.subject, experiments, drift))]
    if end.how == EndedHow.SERVED:
        return [], waiting
    verdict, when = told
    return [_told(row, verdict, when, place, policy)], waiting


def unserved(subject: str, experiments: ExperimentTables, drift: DriftTables) -> int:
    """Findings of a subject that wait for a command, because those before ended without being
    carried out.
    """
    return judged.unserved(subject, experiments) + watched.unserved(subject, drift)


def _experiment(
    row: CommandRow, end: End, place: Provenance, experiments: ExperimentTables, policy: Policy
) -> tuple[Verdict, str] | None:
    done = judged.ended(row, end, place, experiments, policy)
    if done is None:
        return None
    verdict = Verdict.HARM if done.order == Order.ROLLBACK else Verdict.GAIN
    if done.again_at < 0:
        return (
            verdict,
            "its experiment was stopped or its split is broken, so nothing more is ordered of it",
        )
    asked = f", by a person's leave: {done.asks}" if done.asks else ""
    if end.how in _SAID:
        minutes = (done.again_at - place.now) // MINUTE_MS
        told = (
            f"{_SAID[end.how]}: ordered again after {minutes} minutes at least, at twice as "
            f"many units{asked}"
        )
        return verdict, told
    return (
        verdict,
        f"ordered again {_after(done.again_at - place.now)} while the data prove it{asked}",
    )


def _live(
    row: CommandRow, end: End, place: Provenance, drift: DriftTables, policy: Policy
) -> tuple[Verdict, str] | None:
    wait_ms = judged.wait_ms(watched.tries_of(row, drift) + 1)
    version = watched.ended(row, end, wait_ms, place, drift, policy)
    if version is None:
        return None
    after = policy.manual_lock_ms if end.how in _SAID else wait_ms
    said = f"{_SAID[end.how]}: " if end.how in _SAID else ""
    return (
        Verdict.DRIFT,
        f"{said}the version is watched anew {_after(after)}, and what stands is found again",
    )


def _after(ms: int) -> str:
    return f"after {max(1, ms // MINUTE_MS)} minutes" if ms > 0 else "at once"


def _told(
    row: CommandRow, verdict: Verdict, when: str, place: Provenance, policy: Policy
) -> Output:
    name = (
        f"{row.subject}/{row.experiment_id}: {row.variant}"
        if row.experiment_id
        else f"{row.subject} {row.model_version}"
    )
    how = "was a dry run" if row.phase == "COMPLETED" else f"is {row.phase}"
    detail = f" ({row.detail})" if row.detail else ""
    decision = Decision(
        decision_id=place.event_id("again", row.command_id),
        subject=row.subject,
        verdict=verdict,
        order=Order.NONE,
        outcome=Outcome.HELD,
        experiment_id=row.experiment_id,
        variant=row.variant,
        model_version=row.model_version,
        metric="",
        rule=RULE,
        reason=f"{name}: {row.order.lower()} {row.command_id} {how}{detail}: {when}",
        evidence=stored(row).evidence if row.command is not None else (),
        policy_id=policy.policy_id,
        policy_version=policy.event_id,
        command_id=row.command_id,
        decided_at=place.now,
        agents=VERSION,
    )
    return Output(DECISIONS, decision.subject, decision.decision_id, decision, place.now)
