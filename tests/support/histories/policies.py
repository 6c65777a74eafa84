"""The policy that every history begins with, and those that may come in later."""

from dataclasses import replace

from schemas.ids import event_uuid
from schemas.records import Autonomy, MetricKind, MetricSpec, Policy, Reference, Season
from tests.support.histories.advice import HOME
from tests.support.histories.specs import GUARD, UP

BASE_POLICY = Policy(
    event_id=event_uuid("policy"),
    policy_id="all",
    deploy=Autonomy.AUTO,
    retrain=Autonomy.AUTO,
    improve=Autonomy.AUTO,
    alpha=0.2,
    min_count=20,
    reference_count=150,
    false_alarm_records=1e3,
    season=Season.NONE,
)


def policy_of(kind: int) -> Policy:
    policy = replace(BASE_POLICY, event_id=event_uuid("policy", kind))
    ways = (
        replace(policy, policy_id="one", subjects=(HOME[0],), rollback=Autonomy.APPROVE, alpha=0.4),
        replace(policy, policy_id="one", subjects=(HOME[0],), reference_count=100, min_count=50),
        replace(
            policy,
            policy_id="two",
            subjects=("bot*",),
            references=(Reference(metric="error", count=400, sum=30.0),),
        ),
        replace(policy, retrain=Autonomy.OBSERVE, improve=Autonomy.PROPOSE, season=Season.WEEK),
        replace(policy, metrics=(MetricSpec("mood", GUARD, UP, MetricKind.MEAN),)),
        replace(
            policy, commands_per_hour=2, subjects_share=0.0, max_age_ms=1, deploy=Autonomy.APPROVE
        ),
    )
    return ways[kind % len(ways)]
