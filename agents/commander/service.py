"""Which versions have served at a target, as far as the tables know: these may be gone back to without more right."""

from collections.abc import Iterator

from agents.commander import book
from schemas.records import CommandRow, Order, Phase
from state.table import row_key
from state.tables import Tables

REVERSIBLE = frozenset(
    {Order.DEPLOY, Order.ROLLBACK}
)  # they move traffic; a training or an improvement only adds a model


def served(subject: str, target: str, version: str, experiment_id: str | None, tables: Tables) -> bool:
    """Whether a version has been in service and was not taken out for good.

    Known by the commands that were completed at the target, by the baseline of an experiment that has results, and by live
    metrics of the subject, which name no environment.
    """
    last = None
    for name, came in _changes(subject, target, tables):
        last = came if name == version else last
    if last is not None:
        return last
    if experiment_id is not None:
        experiment = tables.experiments.get(row_key(subject, experiment_id))
        if experiment is not None and experiment.started_offset >= 0 and experiment.baseline_version == version:
            return True
    seen = [v for row in tables.metrics.rows_of(subject) for v in row.versions if v.model_version == version]
    return bool(seen) and not any(one.rolled_back for one in seen)


def before(row: CommandRow, tables: Tables) -> str | None:
    """What served at the target of a deployment before it; None where the tables do not know."""
    standing = list[str]()
    for name, came in _changes(row.subject, row.target, tables, row.fencing_token):
        if name in standing:
            standing.remove(name)
        if came:
            standing.append(name)
    if standing:
        return standing[-1]
    experiment = tables.experiments.get(row_key(row.subject, row.experiment_id)) if row.experiment_id else None
    if experiment is None or experiment.started_offset < 0:
        return None  # its spec may still be written anew by whoever may write specs
    return experiment.baseline_version


def _changes(subject: str, target: str, tables: Tables, until: int | None = None) -> Iterator[tuple[str, bool]]:
    """(version, whether it came into service or went out of it) by the commands completed at a target, in their order.

    until: the fencing token before which.
    """
    done = (row for row in tables.commands.rows_of(subject) if _counts(row, target))
    for row in sorted(done, key=lambda row: row.fencing_token):
        if until is not None and row.fencing_token >= until:
            return
        command = book.stored(row)
        if command.dry_run:
            continue
        if row.order == Order.ROLLBACK:
            yield from ((name, False) for name in (command.model_version, command.variant) if name)
        came = command.to_version
        if row.order == Order.DEPLOY:
            came = came or command.model_version or command.variant
        if came:
            yield came, True


def _counts(row: CommandRow, target: str) -> bool:
    done = row.phase == Phase.COMPLETED and row.command is not None
    return done and row.target == target and row.order in REVERSIBLE
