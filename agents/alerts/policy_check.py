"""Tells whether a policy is in order, what its alerts are about included."""

from agents.alerts import alert_metrics
from schemas.records import Policy
from schemas.validation import specs_and_policies


def check_policy(policy: Policy) -> list[specs_and_policies.Fault]:
    """Why a policy is refused, in itself or for what its alerts are about; empty where it is
    not.
    """
    return [*specs_and_policies.check_policy(policy), *alert_metrics.faults(policy)]
