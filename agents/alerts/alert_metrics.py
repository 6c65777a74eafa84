"""The metrics that an alert rule may name: the one registry that policies are checked by and that
the docs are made from.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from schemas.records import AlertRule, Operator, Policy
from schemas.refusals import Reason
from schemas.validation import policy_checks
from schemas.validation.field_checks import Fault


class AlertKind(StrEnum):
    """Names what a value of a metric says."""

    # how something stands: an alert when its rule breaks, and its end when the rule holds again
    LEVEL = "level"
    # a command ended so: an alert each time, over when a command of that order completes for that
    # target
    END = "end"
    # something began: an alert each time, over when it ends
    EPISODE = "episode"
    NEWS = "news"  # something happened: an alert each time, which has no end


HAPPENED = 1.0  # the value of an end and of news


@dataclass(frozen=True, slots=True)
class AlertMetric:
    """about: what an alert's key names."""

    name: str
    kind: AlertKind
    about: str
    means: str


_AGENT, _TENANT, _SUBJECT = "agent", "tenant", "subject"


TRUST = AlertMetric(
    "trust.overall", AlertKind.LEVEL, _AGENT, "trust in a recommending agent, 0 to 1"
)


APPROVAL_RATE = AlertMetric(
    "trust.approval_rate",
    AlertKind.LEVEL,
    _AGENT,
    "share of an agent's recommendations that was approved, 0 to 1",
)


DECLINING = AlertMetric(
    "learning.declining", AlertKind.LEVEL, _TENANT, "agents whose trust declines"
)


LATE_MS = AlertMetric(
    "learning.late_ms", AlertKind.LEVEL, _TENANT, "ms by which a learning cycle ran late"
)


ACCURACY = AlertMetric(
    "learning.accuracy",
    AlertKind.LEVEL,
    _TENANT,
    "share of what believed patterns predicted that came true, 0 to 1",
)


QUALITY = AlertMetric(
    "learning.quality", AlertKind.LEVEL, _TENANT, "mean quality of recommendations, 0 to 1"
)


TRACKED = AlertMetric(
    "learning.tracked", AlertKind.LEVEL, _TENANT, "recommendations that wait for an outcome"
)


ERROR_RATE = AlertMetric(
    "commands.error_rate", AlertKind.LEVEL, _SUBJECT, "share of the last 20 commands that failed"
)


OVER_BUDGET = AlertMetric(
    "commands.over_budget",
    AlertKind.LEVEL,
    _TENANT,
    "commands that the budget denied within an hour",
)


NEWCOMERS_OVER_BUDGET = AlertMetric(
    "commands.newcomers_over_budget",
    AlertKind.LEVEL,
    _TENANT,
    "commands of newcomers that their budget denied within an hour",
)


WAITING = AlertMetric(
    "commands.waiting_minutes",
    AlertKind.LEVEL,
    _SUBJECT,
    "minutes that a command has waited, once half of its time is over",
)


EXPIRED = AlertMetric(
    "commands.expired", AlertKind.END, _SUBJECT, "a command that nobody approved in time"
)


UNANSWERED = AlertMetric(
    "commands.unanswered", AlertKind.END, _SUBJECT, "a command that nobody reported of: TIMED_OUT"
)


NOT_UNDONE = AlertMetric(
    "commands.not_undone", AlertKind.END, _SUBJECT, "a command that could not be undone"
)


ROLLBACK_NOT_DONE = AlertMetric(
    "rollbacks.not_done",
    AlertKind.END,
    _SUBJECT,
    "any other end of a rollback or of what undoes a command, but COMPLETED",
)


DEPLOYMENT_FAILED = AlertMetric(
    "deployments.failed",
    AlertKind.END,
    _SUBJECT,
    "a deployment that failed for good or was refused",
)


WORK_FAILED = AlertMetric(
    "work.failed",
    AlertKind.END,
    _SUBJECT,
    "a retraining or an improvement that failed for good or was refused",
)


DROPPED = AlertMetric(
    "commands.dropped",
    AlertKind.NEWS,
    _SUBJECT,
    "any other command that ended without being done, or was undone",
)


ISSUED = AlertMetric(
    "rollbacks.issued",
    AlertKind.NEWS,
    _SUBJECT,
    "a rollback that was issued, without its later tries",
)


COMPLETED = AlertMetric("rollbacks.completed", AlertKind.NEWS, _SUBJECT, "a rollback that is done")


HARM = AlertMetric(
    "decisions.harm", AlertKind.NEWS, _SUBJECT, "a harm that was proved, whatever follows from it"
)


CRITICAL = AlertMetric(
    "failures.critical", AlertKind.NEWS, _SUBJECT, "a failure whose analysis says CRITICAL"
)


UNSERVED = AlertMetric(
    "verdicts.unserved",
    AlertKind.LEVEL,
    _SUBJECT,
    "verdicts that stand, and whose commands ended without being carried out",
)


UNUSUAL = AlertMetric(
    "metrics.unusual",
    AlertKind.EPISODE,
    _SUBJECT,
    "values of a live metric that are unusual; how many decimals their chance has",
)


# By what an experiment lacks to be judged: the words of `Lack.kind`.
LACKS = {
    kind: AlertMetric(f"experiments.{name}", AlertKind.LEVEL, _SUBJECT, means)
    for kind, name, means in (
        ("RESULT", "results_missing", "specs that have no result"),
        ("CONTROL", "control_missing", "experiments whose control never sent"),
        ("ARM", "arms_missing", "treatments that were planned and never sent"),
        ("METRIC", "metrics_missing", "goals and guardrails that no arm sends, or not each"),
        ("STOPPED", "arms_stopped", "arms that stopped sending while others go on"),
        ("SQUARES", "squares_missing", "means that came in sums without their squares"),
        ("PLAN", "arms_unplanned", "arms that no spec names"),
        ("CLUSTERS", "units_too_few", "arms whose records come of too few units to prove anything"),
        ("UNITS", "units_shared", "metrics whose units are in several arms"),
        ("COVARIATE", "covariates_apart", "arms whose units differed before they were exposed"),
        ("INTERACTION", "interacting", "experiments whose effects differ in the arms of another"),
        ("MIXED", "kinds_mixed", "experiments that send observations and snapshots of one metric"),
    )
}


METRICS = {
    each.name: each
    for each in (
        TRUST, APPROVAL_RATE, DECLINING, LATE_MS, ACCURACY, QUALITY, TRACKED, ERROR_RATE,
        OVER_BUDGET, NEWCOMERS_OVER_BUDGET, WAITING, EXPIRED, UNANSWERED, NOT_UNDONE,
        ROLLBACK_NOT_DONE, DEPLOYMENT_FAILED, WORK_FAILED, DROPPED, ISSUED, COMPLETED, HARM,
        CRITICAL, UNSERVED, UNUSUAL, *LACKS.values(),
    )
}  # fmt: skip


def faults(policy: Policy) -> Iterator[Fault]:
    """Why a policy's alert rules could never speak."""
    for rule in policy.alerts:
        metric = METRICS.get(rule.metric)
        if metric is None:
            yield (
                Reason.UNKNOWN_METRIC,
                f"the alert {rule.name!r} is about {rule.metric!r}, and there is no such metric: "
                f"{', '.join(METRICS)}",
            )
        elif metric.kind != AlertKind.LEVEL:
            yield from _of_what_happens(metric, rule)


def _of_what_happens(metric: AlertMetric, rule: AlertRule) -> Iterator[Fault]:
    if rule.duration_ms:
        sentence = (
            f"the alert {rule.name!r} has a duration, and {metric.name} is what happens: it does "
            "not last"
        )
        yield Reason.OUT_OF_RANGE, sentence
    if metric.kind == AlertKind.EPISODE:  # whose values are many
        return
    if not broken(rule.operator, rule.threshold, HAPPENED):
        sentence = (
            f"the alert {rule.name!r} never speaks: {metric.name} is {HAPPENED:g} each time, so "
            "write ABOVE 0"
        )
        yield Reason.OUT_OF_RANGE, sentence


def broken(operator: Operator, threshold: float, value: float) -> bool:
    """Returns whether a value breaks a rule; strictly beyond the threshold."""
    return value > threshold if operator == Operator.ABOVE else value < threshold


def check_policy(policy: Policy) -> list[Fault]:
    """Why a policy is refused, in itself or for what its alerts are about; empty where it is
    not.
    """
    return [*policy_checks.check_policy(policy), *faults(policy)]
