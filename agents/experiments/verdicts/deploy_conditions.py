"""What a policy asks of a deployment beside the evidence: that the experiment has run for whole
days, and that the metrics have come which it names.
"""

from agents.core.policies import policy_for
from schemas.records import ExperimentRow
from state.partition.experiment_tables import ExperimentTables
from state.row_expiry import DAY_MS
from state.storage.table import row_key


def ripe_at(experiment: ExperimentRow, tables: ExperimentTables) -> int:
    """From when on it has run for as many days as the policy asks, by the broker's clock, ms."""
    policy = policy_for(experiment.subject, tables.policies)
    return experiment.begun_at + policy.deploy_after_days * DAY_MS


def is_early(experiment: ExperimentRow, tables: ExperimentTables) -> bool:
    """Whether an experiment has not run for as many days as the policy asks.

    That it has is noted at a tick, so that a restart changes no decision.
    """
    policy = policy_for(experiment.subject, tables.policies)
    return policy.deploy_after_days > 0 and not experiment.ripe


def unsent(experiment: ExperimentRow, variant: str, tables: ExperimentTables) -> list[str]:
    """The metrics that the policy asks for of which control or the treatment has no result."""
    needs = policy_for(experiment.subject, tables.policies).deploy_needs
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    if not needs or number is None:
        return list(needs)
    arms, named = tables.index[number].arms, {experiment.control, variant}
    return [metric for metric in needs if not named <= arms.get(metric, {}).keys()]
