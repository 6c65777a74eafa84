"""Opens a verdict again whose command ended without being carried out, and looks at what its data
say by then.

A test that has rejected may be looked at again for nothing: its evidence is valid at all moments at
once. So what still stands on the data is ordered again, and what does not is judged on as if
nothing had been ordered.
"""

from dataclasses import replace

import numpy as np

from agents.core.batch import Finding, Ints
from agents.core.command_outcome import End, EndedHow
from agents.core.provenance import Provenance
from agents.experiments.arms.arms import relevel
from agents.experiments.evidence.look import look
from agents.experiments.plan.terms import Method
from agents.experiments.verdicts.decide import decide
from schemas.catalog import RESULTS
from schemas.records import CommandRow, Decided, ExperimentRow, ExperimentStatus, Order, Policy
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key

WAIT_MS, WAIT_MOST_MS = (
    60_000,
    3_600_000,
)  # from the second such end on, doubled each time: a dead deployer has its rest
RECHECK_MS = 600_000  # whether the units have doubled since a person said no, or results come again


def note(
    experiment: ExperimentRow, finding: Finding, command_id: str | None, tables: ExperimentTables
) -> None:
    """Keeps which command a verdict led to, unless a later record of its slice has overtaken the
    verdict.
    """
    decided = tuple(
        replace(done, command_id=command_id)
        if (done.variant, done.order) == (finding.variant, finding.order)
        else done
        for done in experiment.decided
    )
    tables.experiments.put(replace(experiment, decided=decided))


def wait_ms(tries: int) -> int:
    """How long a verdict rests after so many commands of it ended unserved.

    >>> [wait_ms(tries) // 60_000 for tries in (1, 2, 3, 8, 80)]
    [0, 1, 2, 60, 60]
    """
    return 0 if tries < 2 else min(WAIT_MS << min(tries - 2, 10), WAIT_MOST_MS)


def ended(
    row: CommandRow, end: End, place: Provenance, tables: ExperimentTables, policy: Policy
) -> Decided | None:
    """Takes in how a command of a verdict ended; returns what stands of the verdict since, None
    where it was of none.
    """
    key = row_key(row.subject, row.experiment_id or "")
    experiment = tables.experiments.get(key)
    if experiment is None:
        return None
    before = next(
        (done for done in experiment.decided if not done.open and _led_to(done, row)), None
    )
    if before is None:
        return None
    if end.how == EndedHow.SERVED:
        done = replace(before, tries=0, units=0, asks="", served=True)
    elif not _may_open(experiment, before):
        done = replace(before, tries=before.tries + 1)
    elif end.how in (EndedHow.DENIED, EndedHow.OVERTAKEN):
        units, moved = max(1, _units(experiment, before.variant, tables)), before.moved or end.moved
        again_at = place.now + policy.manual_lock_ms
        done = replace(before, again_at=again_at, units=units, moved=moved, asks=end.asks)
    else:
        wait, tries = wait_ms(before.tries + 1), before.tries + 1
        moved = before.moved or end.moved
        done = replace(
            before,
            tries=tries,
            again_at=place.now + wait,
            open=not wait,
            moved=moved,
            asks=end.asks,
        )
    decided = tuple(done if one is before else one for one in experiment.decided)
    experiment = replace(experiment, decided=decided)
    tables.experiments.put(experiment)
    _plan(key, experiment, tables)
    if done.open:
        _forget(experiment, {done.variant}, tables)
    relevel(tables, experiment)
    return done


def _led_to(done: Decided, row: CommandRow) -> bool:
    """Whether a verdict led to this command; an older Mendstream did not keep which it was."""
    own = (done.variant, done.order) == (row.variant, row.order) and not row.requested_by
    return done.command_id == row.command_id or (done.command_id is None and own)


def rebuild(tables: ExperimentTables) -> None:
    """What is derived, after rows were restored."""
    tables.reopenings.rebuild(())
    for row in tables.experiments.rows():
        _plan(row_key(row.subject, row.experiment_id), row, tables)


def due(key: str, place: Provenance, tables: ExperimentTables, max_age_ms: int) -> list[Finding]:
    """Opens what is due of an experiment; returns what stands on its data of that.

    Where the last result is older than `max_age_ms` nothing is ordered by it: the next one shows
    what is.
    """
    experiment = tables.experiments.get(key)
    assert experiment is not None, f"{key} is due without a row"
    opened, decided = set[str](), list[Decided]()
    for done in experiment.decided:
        if not 0 <= done.again_at <= place.now:
            decided.append(done)
        elif not _may_open(experiment, done):
            decided.append(replace(done, again_at=-1, open=False))
        elif done.units and _units(experiment, done.variant, tables) < 2 * done.units:
            decided.append(replace(done, again_at=place.now + RECHECK_MS))
        else:
            opened.add(done.variant)
            last_at = _last_at(_rows(experiment, {done.variant}, tables), tables)
            fresh = last_at >= 0 and place.now - last_at <= max_age_ms
            # Without results of late nobody can say that it does not stand any more: it goes on to
            # be unserved.
            decided.append(
                replace(done, again_at=-1 if fresh else place.now + RECHECK_MS, open=True, units=0)
            )
    experiment = replace(experiment, decided=tuple(decided))
    tables.experiments.put(experiment)
    _plan(key, experiment, tables)
    return _standing(experiment, opened, place, tables, max_age_ms) if opened else []


def unserved(subject: str, tables: ExperimentTables) -> int:
    """Verdicts of a subject that wait for a command, because those before ended without being
    carried out.
    """
    return sum(map(unserved_of, tables.experiments.rows_of(subject)))


def unserved_of(row: ExperimentRow) -> int:
    """The same of one experiment."""
    return sum(
        done.tries > 0 and (not done.open or done.again_at >= 0) and _may_open(row, done)
        for done in row.decided
    )


def _may_open(experiment: ExperimentRow, done: Decided) -> bool:
    """Whether it can be judged anew: not where a person stopped it, nor where only a broken split
    speaks for it.
    """
    return experiment.status != ExperimentStatus.STOPPED and (
        experiment.split_offset < 0 or done.moved or done.order == Order.ROLLBACK
    )


def _plan(key: str, experiment: ExperimentRow, tables: ExperimentTables) -> None:
    waiting = [done.again_at for done in experiment.decided if done.again_at >= 0]
    if waiting:
        tables.reopenings.put(key, min(waiting))
    else:
        tables.reopenings.drop(key)


def _trial(experiment: ExperimentRow, tables: ExperimentTables) -> ExperimentArms | None:
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    return tables.index[number] if number is not None else None


def _rows(experiment: ExperimentRow, variants: set[str], tables: ExperimentTables) -> Ints:
    """The rows of treatments as a whole, ascending."""
    trial = _trial(experiment, tables)
    groups = trial.arms.values() if trial is not None else ()
    return np.array(
        sorted(row for group in groups for name, row in group.items() if name in variants), np.int64
    )


def _last_at(rows: Ints, tables: ExperimentTables) -> int:
    """When the last result of these rows was appended, ms; -1 where none is known."""
    return max(tables.arms.last_at[rows].tolist(), default=-1)


def _units(experiment: ExperimentRow, variant: str, tables: ExperimentTables) -> int:
    """Units of a treatment and its control in the metric that has most."""
    arms, rows = tables.arms, _rows(experiment, {variant}, tables)
    rows = rows[arms.control[rows] >= 0]
    return int((arms.count[rows] + arms.count[arms.control[rows]]).max(initial=0))


def _forget(experiment: ExperimentRow, variants: set[str], tables: ExperimentTables) -> None:
    """Takes back what was proved of treatments: it is looked at again."""
    arms, rows = tables.arms, _rows(experiment, variants, tables)
    arms.harm_offset[rows] = arms.gain_offset[rows] = -1


def _standing(
    experiment: ExperimentRow,
    variants: set[str],
    place: Provenance,
    tables: ExperimentTables,
    max_age_ms: int,
) -> list[Finding]:
    """What is proved of treatments by all of their results so far: as a look after the last of
    them.
    """
    _forget(experiment, variants, tables)
    # What ended at its time was judged up to it, and what its data proved then they prove still.
    over = experiment.status == ExperimentStatus.ENDED
    relevel(tables, replace(experiment, status=ExperimentStatus.RUNNING) if over else experiment)
    arms, rows = tables.arms, _rows(experiment, variants, tables)
    rows = rows[(arms.control[rows] >= 0) & (arms.method[rows] != Method.NONE)]
    rows = rows[np.isfinite(np.minimum(arms.harm_level[rows], arms.gain_level[rows]))]
    last_at = _last_at(rows, tables)
    findings = list[Finding]()
    if last_at >= 0 and place.now - last_at <= max_age_ms:
        findings = _looked(experiment, rows, place, tables)
    if over:
        relevel(tables, _experiment(experiment, tables))
    return findings


def _looked(
    experiment: ExperimentRow, rows: Ints, place: Provenance, tables: ExperimentTables
) -> list[Finding]:
    trial, arms = _trial(experiment, tables), tables.arms
    assert trial is not None, f"{experiment.experiment_id} was decided without results"
    every = np.array([row for group in trial.arms.values() for row in group.values()], np.int64)
    last = Provenance(RESULTS, tables.partition, int(arms.applied_offset[every].max()), place.now)
    proved = 0
    for pair in rows.tolist():
        proved |= look(arms.records, tables.pairs, pair, 0, last.offset, np.empty(3))
    if not proved:
        return []
    number = int(arms.experiment_no[every[0]])
    return [
        replace(one, ordinal=f"{experiment.experiment_id}|{one.ordinal}|again")
        for one in decide(last, tables, number, rows.tolist())
    ]


def _experiment(experiment: ExperimentRow, tables: ExperimentTables) -> ExperimentRow:
    found = tables.experiments.get(row_key(experiment.subject, experiment.experiment_id))
    assert found is not None
    return found
