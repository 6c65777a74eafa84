"""The built-in rules. A policy's rule of the same name stands in the place of one."""

from collections.abc import Iterable
from itertools import groupby

from agents.alerts.alert_metrics import AlertMetric
from schemas.records import AlertRule, Operator, Policy, Severity

_BELOW, _ABOVE = Operator.BELOW, Operator.ABOVE
_MINUTE = 60_000

DEFAULT_RULES = (
    AlertRule(
        "agent distrusted", "trust.overall", _BELOW, 0.3, Severity.CRITICAL,
        "trust in {key} fell to {value:.2f}, below {threshold:g}: it is heard last",
    ),
    AlertRule(
        "approval rate low", "trust.approval_rate", _BELOW, 0.5, Severity.MEDIUM,
        "{value:.0%} of what {key} recommends is approved, less than {threshold:.0%}",
    ),
    AlertRule(
        "approval rate very low", "trust.approval_rate", _BELOW, 0.4, Severity.CRITICAL,
        "{value:.0%} of what {key} recommends is approved, less than {threshold:.0%}",
    ),
    AlertRule(
        "agents declining", "learning.declining", _ABOVE, 2.0, Severity.HIGH,
        "trust in {value:.0f} agents of {key} declines",
    ),
    AlertRule(
        "learning late", "learning.late_ms", _ABOVE, 10.0 * _MINUTE, Severity.MEDIUM,
        "the learning cycle of {key} ran {value:.0f} ms after it was due",
    ),
    AlertRule(
        "predictions poor", "learning.accuracy", _BELOW, 0.5, Severity.MEDIUM,
        "{value:.0%} of what believed patterns of {key} predicted came true",
    ),
    AlertRule(
        "quality low", "learning.quality", _BELOW, 0.7, Severity.LOW,
        "recommendations of {key} reach a mean quality of {value:.2f}, less than {threshold:g}",
    ),
    AlertRule(
        "many recommendations", "learning.tracked", _ABOVE, 1e6, Severity.MEDIUM,
        "{key} tracks {value:.0f} recommendations that wait for an outcome",
    ),
    AlertRule(
        "commands fail", "commands.error_rate", _ABOVE, 0.1, Severity.HIGH,
        "{value:.0%} of the last commands of {key} failed, more than {threshold:.0%}",
    ),
    AlertRule(
        "budget spent", "commands.over_budget", _ABOVE, 0.0, Severity.CRITICAL,
        "commands of {key} wait for a person: what automation may do in an hour, or to how many "
            "subjects at once, is spent",
    ),
    AlertRule(
        "newcomers' budget spent", "commands.newcomers_over_budget", _ABOVE, 0.0, Severity.HIGH,
        "commands of subjects of {key} that nobody vouched for wait for a person: what automation "
            "may do to them is spent; "
        "a spec makes a subject known",
    ),
    AlertRule(
        "approval late", "commands.waiting_minutes", _ABOVE, 0.0, Severity.HIGH,
        "a command of {key} has waited {value:.0f} minutes for approval, half of its time",
    ),
    AlertRule(
        "approval expired", "commands.expired", _ABOVE, 0.0, Severity.CRITICAL,
        "a command of {key} waited for approval in vain: nothing was done about what was found",
    ),
    AlertRule(
        "command unanswered", "commands.unanswered", _ABOVE, 0.0, Severity.CRITICAL,
        "nobody reported of a command of {key}, however often it was sent: is its deployer "
        "running?",
    ),
    AlertRule(
        "verdict unserved", "verdicts.unserved", _ABOVE, 0.0, Severity.CRITICAL,
        "{value:.0f} verdicts of {key} stand and nothing was done: its decisions say why, and when "
            "it is ordered again",
    ),
    AlertRule(
        "results missing", "experiments.results_missing", _ABOVE, 0.0, Severity.MEDIUM,
        "{value:.0f} experiments of {key} have a spec and no result: is their producer running?",
    ),
    AlertRule(
        "control missing", "experiments.control_missing", _ABOVE, 0.0, Severity.HIGH,
        "in {value:.0f} experiments of {key} no arm is the control: nothing is judged",
    ),
    AlertRule(
        "arms missing", "experiments.arms_missing", _ABOVE, 0.0, Severity.HIGH,
        "{value:.0f} arms of experiments of {key} send nothing while others do: nothing is judged "
            "of them",
    ),
    AlertRule(
        "arms stopped", "experiments.arms_stopped", _ABOVE, 0.0, Severity.HIGH,
        "{value:.0f} arms of experiments of {key} have stopped sending while others go on",
    ),
    AlertRule(
        "arms unplanned", "experiments.arms_unplanned", _ABOVE, 0.0, Severity.MEDIUM,
        "{value:.0f} arms of experiments of {key} are named in no spec and compared with nothing",
    ),
    AlertRule(
        "metrics missing", "experiments.metrics_missing", _ABOVE, 0.0, Severity.HIGH,
        "{value:.0f} metrics of experiments of {key} are to be judged and do not come",
    ),
    AlertRule(
        "squares missing", "experiments.squares_missing", _ABOVE, 0.0, Severity.HIGH,
        "{value:.0f} means of experiments of {key} come without sum_squares: they are not judged",
    ),
    AlertRule(
        "units too few", "experiments.units_too_few", _ABOVE, 0.0, Severity.MEDIUM,
        "in {value:.0f} arms of experiments of {key} so few units come again and again that they "
            "prove nothing",
    ),
    AlertRule(
        "covariates apart", "experiments.covariates_apart", _ABOVE, 0.0, Severity.HIGH,
        "in {value:.0f} arms of experiments of {key} units differ from control's before they were "
        "exposed: held for good",
    ),
    AlertRule(
        "units shared", "experiments.units_shared", _ABOVE, 0.0, Severity.HIGH,
        "in {value:.0f} metrics of experiments of {key} units are in several arms: held for good",
    ),
    AlertRule(
        "experiments interact", "experiments.interacting", _ABOVE, 0.0, Severity.HIGH,
        "{value:.0f} experiments of {key} have other effects in the arms of another experiment: "
            "no deployment of either before one ends",
    ),
    AlertRule(
        "kinds mixed", "experiments.kinds_mixed", _ABOVE, 0.0, Severity.MEDIUM,
        "{value:.0f} experiments of {key} send observations and snapshots of one metric: some are "
            "refused",
    ),
    AlertRule(
        "command not undone", "commands.not_undone", _ABOVE, 0.0, Severity.CRITICAL,
        "what was done to {key} could not be undone: look at its target",
    ),
    AlertRule(
        "rollback not done", "rollbacks.not_done", _ABOVE, 0.0, Severity.CRITICAL,
        "a rollback of {key} was not done: what it was to end may go on", cooldown_ms=0,
    ),
    AlertRule(
        "deployment failed", "deployments.failed", _ABOVE, 0.0, Severity.HIGH,
        "a deployment of {key} was not done", cooldown_ms=0,
    ),
    AlertRule(
        "work failed", "work.failed", _ABOVE, 0.0, Severity.MEDIUM,
        "what was to mend {key} was not done", cooldown_ms=0,
    ),
    AlertRule(
        "command dropped", "commands.dropped", _ABOVE, 0.0, Severity.INFO,
        "a command of {key} ended without being done", cooldown_ms=0,
    ),
    AlertRule(
        "rollback issued", "rollbacks.issued", _ABOVE, 0.0, Severity.HIGH, "{key} is rolled back",
        cooldown_ms=0,
    ),
    AlertRule(
        "rollback completed", "rollbacks.completed", _ABOVE, 0.0, Severity.MEDIUM,
        "{key} was rolled back", cooldown_ms=0,
    ),
    AlertRule(
        "harm proved", "decisions.harm", _ABOVE, 0.0, Severity.HIGH, "{key} is harmed",
        cooldown_ms=0,
    ),
    AlertRule(
        "critical failure", "failures.critical", _ABOVE, 0.0, Severity.CRITICAL,
        "{key} fails critically", cooldown_ms=0,
    ),
    AlertRule(
        "metric unusual", "metrics.unusual", _ABOVE, 0.0, Severity.LOW,
        "values of a live metric of {key} are unusual", cooldown_ms=0,
    ),
)  # fmt: skip


WARNING = "precursor of "  # begins the names of warnings, which no rule raises; a pattern follows
WARNING_SEVERITY = Severity.HIGH
_BY_METRIC = {
    metric: tuple(rules)
    for metric, rules in groupby(
        sorted(DEFAULT_RULES, key=lambda rule: rule.metric), lambda rule: rule.metric
    )
}


def rules_of(policy: Policy) -> Iterable[AlertRule]:
    """A policy's own rules, and those built in that it does not replace."""
    own = {rule.name: rule for rule in policy.alerts}
    return [*(rule for rule in DEFAULT_RULES if rule.name not in own), *own.values()]


def rules_on(policy: Policy, metric: AlertMetric) -> Iterable[AlertRule]:
    """Those of a policy's rules that are about a metric."""
    built_in = _BY_METRIC.get(metric.name, ())
    if not policy.alerts:
        return built_in
    own = {rule.name: rule for rule in policy.alerts}
    return [
        *(rule for rule in built_in if rule.name not in own),
        *(rule for rule in own.values() if rule.metric == metric.name),
    ]


def named(name: str, policy: Policy) -> AlertRule | None:
    """The rule of a name; None where a policy had it and has it no more."""
    return next((rule for rule in rules_of(policy) if rule.name == name), None)


def warning_of(pattern: str) -> str:
    """The name under which a failure of a pattern is announced."""
    return f"{WARNING}{pattern}"
