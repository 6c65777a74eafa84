"""Which versions have served at a target, as far as the tables know: these may be gone back to
without more right.
"""

from agents.commands.ledger import stored
from agents.commands.versions_served import Move, versions_served
from schemas.records import CommandRow, Order, Phase
from state.partition.command_tables import CommandTables
from state.storage.table import row_key

REVERSIBLE = frozenset(
    {Order.DEPLOY, Order.ROLLBACK}
)  # they move traffic; a training or an improvement only adds a model


def served(
    subject: str, target: str, version: str, experiment_id: str | None, tables: CommandTables
) -> bool:
    """Returns whether a version has been in service and was not taken out for good.

    Known by the commands that were completed at the target, by the baseline of an experiment that
    has results, and by live metrics of the subject, which name no environment.
    """
    came, gone = _history(subject, target, tables)
    if version in came:
        return True
    if version in gone:
        return False
    if experiment_id is not None:
        experiment = tables.experiments.get(row_key(subject, experiment_id))
        if (
            experiment is not None
            and experiment.started_offset >= 0
            and experiment.baseline_version == version
        ):
            return True
    seen = [
        v
        for row in tables.metrics.rows_of(subject)
        for v in row.versions
        if v.model_version == version
    ]
    return bool(seen) and not any(one.rolled_back for one in seen)


def before(row: CommandRow, version: str | None, tables: CommandTables) -> str | None:
    """Returns what served at the target of a deployment before it; None where the tables do not
    know, or it was the same version.
    """
    came, _ = _history(row.subject, row.target, tables, row.fencing_token)
    if came:
        return came[-1] if came[-1] != version else None
    experiment = (
        tables.experiments.get(row_key(row.subject, row.experiment_id))
        if row.experiment_id
        else None
    )
    if experiment is None or experiment.started_offset < 0:
        return None  # its spec may still be written anew by whoever may write specs
    return experiment.baseline_version if experiment.baseline_version != version else None


def _history(
    subject: str, target: str, tables: CommandTables, until: int | None = None
) -> tuple[list[str], set[str]]:
    """What came into service at a target and what is gone, by the commands completed there; until:
    those with a lower fencing token.
    """
    done = (row for row in tables.commands.rows_of(subject) if _counts(row, target, until))
    ordered = [(row.order, stored(row)) for row in sorted(done, key=lambda row: row.fencing_token)]
    return versions_served(
        Move(
            order,
            command.to_version,
            tuple(name for name in (command.model_version, command.variant) if name),
        )
        for order, command in ordered
        if not command.dry_run
    )


def _counts(row: CommandRow, target: str, until: int | None) -> bool:
    done = (
        row.phase == Phase.COMPLETED
        and row.command is not None
        and (until is None or row.fencing_token < until)
    )
    return done and row.target == target and row.order in REVERSIBLE
