"""Which policy governs a subject, and how a metric is judged where nobody said."""

from collections.abc import Iterable

from schemas.records import Autonomy, Direction, MetricKind, MetricSpec, Order, Policy, Role
from state.policies_in_force import Policies

_UP, _DOWN = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER
EXPOSURE = "exposure"  # counts assigned units; feeds the check of the split

DEFAULT_METRICS = (
    MetricSpec("accuracy", Role.GOAL, _UP, MetricKind.RATE),
    MetricSpec("conversion", Role.GOAL, _UP, MetricKind.RATE),
    MetricSpec("revenue", Role.GOAL, _UP, MetricKind.MEAN),
    MetricSpec("satisfaction", Role.GOAL, _UP, MetricKind.MEAN),
    MetricSpec("latency", Role.GUARDRAIL, _DOWN, MetricKind.MEAN),
    MetricSpec("cost", Role.GUARDRAIL, _DOWN, MetricKind.MEAN),
    MetricSpec("error", Role.GUARDRAIL, _DOWN, MetricKind.RATE),
)
DEFAULT_POLICY = Policy(event_id="", policy_id="default")


def policy_for(subject: str, policies: Policies | Iterable[Policy]) -> Policy:
    """The policy that names the subject most exactly, of several the first by its id; the built-in
    one where none does.
    """
    if not isinstance(policies, Policies):
        policies = Policies(policies)
    return policies.governing(subject) or DEFAULT_POLICY


def metric_spec(name: str, named: Iterable[MetricSpec], policy: Policy) -> MetricSpec:
    """How a metric is judged: by the spec, else the policy, else the default; unknown names are
    signals.

    A signal's values may be anything, so it is kept as a mean, and it never commands.
    """
    for spec in (*named, *policy.metrics, *DEFAULT_METRICS):
        if spec.name == name:
            return spec
    return MetricSpec(name, Role.SIGNAL, Direction.UNKNOWN, MetricKind.MEAN)


def autonomy_of(policy: Policy, order: Order, why: str, environment: str) -> Autonomy:
    """The first of the policy's rules that fits, else its level for the command type. why: the rule
    of the decision.
    """
    for rule in policy.autonomies:
        fits = rule.order in (None, order) and rule.environment in (None, environment)
        if fits and (rule.rule is None or why.startswith(rule.rule)):
            return rule.autonomy
    return {
        Order.ROLLBACK: policy.rollback,
        Order.DEPLOY: policy.deploy,
        Order.RETRAIN: policy.retrain,
        Order.IMPROVE: policy.improve,
    }.get(order, Autonomy.OBSERVE)
