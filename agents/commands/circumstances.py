"""Answers what the outcome of a finding depends on, from the tables of commands and what they read
of others; nothing here writes.
"""

from dataclasses import dataclass

from agents.commands import budget
from agents.commands.guards import (
    NEVER_SERVED,
    deploys_at_once,
    hands_off,
    takes_from_rollback,
)
from agents.commands.ledger import rows_of, stored
from agents.commands.lifecycle import AT_WORK, WAITING
from agents.commands.service_history import served
from agents.core.batch import Finding
from agents.core.policies import autonomy_of
from agents.core.provenance import Provenance
from schemas.ids import target_of
from schemas.records import (
    Autonomy,
    CommandRow,
    ExperimentRow,
    Order,
    Phase,
    Policy,
    Verdict,
)
from state.partition.command_tables import CommandTables
from state.storage.table import row_key

UNLIKE_TIMES = "its deployment is over, so its units and control's are of different times"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The case of one finding, as `disposition.dispose` asks of it.

    experiment: the row of the experiment that it is about, where that has a say. asked_by: the
    person whose own order it is; empty where automation found it.
    """

    finding: Finding
    experiment: ExperimentRow | None
    place: Provenance
    tables: CommandTables
    policy: Policy
    asked_by: str = ""

    @property
    def order(self) -> Order:
        return self.finding.order

    @property
    def target(self) -> str:
        """Returns what the command is for, as deployers know it."""
        return target_of(self.finding.subject, self.finding.environment)

    @property
    def autonomy(self) -> Autonomy:
        own = self.experiment.autonomy if self.experiment is not None else None
        finding = self.finding
        return own or autonomy_of(self.policy, finding.order, finding.rule, finding.environment)

    def never_served(self) -> bool:
        """Returns whether a rollback would put a version in service that was not in it before,
        which is a deployment by another name.
        """
        finding, version = self.finding, self.finding.to_version
        if finding.order != Order.ROLLBACK or version is None:
            return False
        return not served(finding.subject, self.target, version, finding.experiment_id, self.tables)

    def may_go_back(self) -> bool:
        finding = self.finding
        return not self.never_served() or deploys_at_once(
            self.policy, finding.rule, finding.environment
        )

    def why_a_person(self) -> str:
        return UNLIKE_TIMES if self._of_unlike_times() else self.finding.asks

    def own_deployment_at_work(self) -> bool:
        own = own_deployments(self.finding, self.tables)
        return any(row.phase in AT_WORK for row in own)

    def like_command(self) -> CommandRow | None:
        for row in rows_of(self.finding.subject, self.tables):
            if self._is_like(row) and not self._gives_way(row):
                return row
        return None

    def why_approval(self) -> str:
        if self.asked_by and self.never_served():
            return NEVER_SERVED.format(self.finding.to_version, self.target)
        return "the policy asks a person"

    def left_to_people(self) -> str:
        subject, target = self.finding.subject, self.target
        frozen = hands_off(subject, target, self.place, self.tables, locks=not self._own_trial())
        return frozen or takes_from_rollback(self.order, subject, target, self.tables)

    def over_budget(self) -> str:
        return budget.exhausted(self.finding.subject, self.place, self.tables, self.policy)

    def _of_unlike_times(self) -> bool:
        """Returns whether harm is that of a treatment whose deployment is over: it had most of the
        units since, and control those before, so that what changed with the time of day looks like
        harm. Where shares are followed, only units of one time are compared.
        """
        finding, experiment = self.finding, self.experiment
        if finding.verdict != Verdict.HARM or experiment is None or experiment.follows_rollout:
            return False
        return any(
            (row.order, row.phase) == (Order.DEPLOY, Phase.COMPLETED)
            and (row.experiment_id, row.variant) == (finding.experiment_id, finding.variant)
            and (row.command is None or not stored(row).dry_run)
            for row in rows_of(finding.subject, self.tables)
        )

    def _own_trial(self) -> bool:
        """Returns whether it is about a person's own trial that follows its rollout: who begins
        that wants it ended by what is proved.
        """
        finding = self.finding
        experiment = self.tables.experiments.get(
            row_key(finding.subject, finding.experiment_id or "")
        )
        return (
            experiment is not None
            and experiment.follows_rollout
            and any(
                row.target == self.target and self._tries(row)
                for row in self.tables.commands.rows_of(finding.subject)
            )
        )

    def _tries(self, row: CommandRow) -> bool:
        """Returns whether a person's deployment under way, which nothing had proved, is the trial
        of the variant.
        """
        finding = self.finding
        ours = (Order.DEPLOY, finding.experiment_id, finding.variant)
        same = (row.order, row.experiment_id, row.variant) == ours
        under_way = bool(row.requested_by) and row.phase in AT_WORK
        return same and finding.experiment_id is not None and under_way

    def _is_like(self, row: CommandRow) -> bool:
        """Returns whether a command is open that orders the same. A person's own order takes the
        place of those that wait.
        """
        finding = self.finding
        same = (row.target, row.order, row.experiment_id, row.variant, row.model_version)
        wanted = (
            self.target,
            finding.order,
            finding.experiment_id,
            finding.variant,
            finding.model_version,
        )
        open_phases = AT_WORK if self.asked_by else WAITING | AT_WORK
        return same == wanted and row.phase in open_phases and row.compensates is None

    def _gives_way(self, row: CommandRow) -> bool:
        """Returns whether a like command holds this one back no more than nothing would."""
        finding = self.finding
        if row.command is not None and stored(row).dry_run and not finding.dry_run:
            return True  # it changes nothing
        if finding.order == Order.ROLLBACK and row.requested_by and row.phase in WAITING:
            return True  # nobody has approved it; the rollback takes its place once it is issued
        # the verdict takes the place of the trial, once its command is issued
        return finding.verdict == Verdict.GAIN and self._tries(row)


def own_deployments(finding: Finding, tables: CommandTables) -> list[CommandRow]:
    """Returns what automation has ordered itself to put in service and now is found to harm."""
    if (
        finding.verdict != Verdict.HARM
        or finding.order != Order.ROLLBACK
        or finding.experiment_id is None
    ):
        return []
    return [
        row
        for row in rows_of(finding.subject, tables)
        if (row.order, row.experiment_id, row.variant)
        == (Order.DEPLOY, finding.experiment_id, finding.variant)
        and not row.requested_by
        and row.compensates is None
        and row.phase in WAITING | AT_WORK
    ]
