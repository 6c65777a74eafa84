"""The shares of an experiment that follows a rollout: known between two moments that a deployer
reports, else unknown.

A unit that was assigned while a share is moved, or before anybody reported one, tells nothing of
either arm: which of them had more units then is not known. So a share is unknown from the moment a
command is issued that changes it.
"""

from dataclasses import replace

from agents.core.effects import Refusal
from agents.experiments.evidence.ramp_links import refresh_ramp
from schemas.ids import target_of
from schemas.records import Command, CommandRow, CommandStatus, ExperimentRow, Share, ShareStep
from schemas.validation.spec_checks import STEPS_MAX
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key


def report(status: CommandStatus, row: CommandRow, tables: ExperimentTables) -> Refusal | None:
    """Takes in the share that a deployer reports of its command; why it cannot, if so."""
    experiment = _following(row, tables)
    if experiment is None or status.traffic_share is None:
        return None
    steps, until = experiment.rollout_steps, status.share_until
    begins = status.reported_at if status.share_from is None else status.share_from
    begins = max(begins, (steps[-1].from_ or 0) if steps else 0)
    if until is not None and until <= begins:
        return None
    if len(steps) + 3 > STEPS_MAX:  # before them one is always unknown
        return Refusal(
            "TOO_MANY_STEPS",
            f"{row.experiment_id} was told of {len(steps)} share steps, of at most {STEPS_MAX}: "
            "begin another",
        )
    treatment, share = experiment.treatments[0], status.traffic_share
    known = tuple(
        Share(name, part)
        for name, part in ((experiment.control, 1.0 - share), (treatment, share))
        if part
    )
    steps = (*steps, ShareStep(from_=begins, shares=known))
    if until is not None:
        steps = (*steps, ShareStep(from_=until, shares=()))
    _put(replace(experiment, rollout_steps=steps), tables)
    return None


def unsettle(command: Command | CommandRow, now: int, tables: ExperimentTables) -> None:
    """From now on the shares are unknown, whatever was reported of them."""
    experiment = _following(command, tables)
    if experiment is None or not experiment.rollout_steps:
        return
    # Steps that were to come have no time of their own any more. What clocks that run ahead have
    # put there stays there.
    steps = tuple(
        replace(step, from_=min(step.from_ or 0, now)) for step in experiment.rollout_steps
    )
    if steps[-1].shares:
        steps = (*steps, ShareStep(from_=now, shares=()))
    if steps != experiment.rollout_steps:
        _put(replace(experiment, rollout_steps=steps), tables)


def _put(experiment: ExperimentRow, tables: ExperimentTables) -> None:
    tables.experiments.put(experiment)
    refresh_ramp(tables, experiment)


def _following(command: Command | CommandRow, tables: ExperimentTables) -> ExperimentRow | None:
    """The experiment whose shares the command's target moves; None where it is none, or does not
    follow.
    """
    if command.experiment_id is None:
        return None
    experiment = tables.experiments.get(row_key(command.subject, command.experiment_id))
    if (
        experiment is None
        or not experiment.follows_rollout
        or command.variant not in (None, *experiment.treatments)
    ):
        return None
    return (
        experiment if command.target == target_of(command.subject, experiment.environment) else None
    )
