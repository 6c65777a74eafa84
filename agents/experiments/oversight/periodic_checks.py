"""Looks after experiments that cannot be judged, and ends those whose time is over: what no result
would ever tell.

A result that does not come folds nothing, so the clock of the partition looks: each experiment at
the moment at which something of it may be due, at most once a minute. What it lacks is looked at
again after a tenth of the time that it has lasted, `missing_after_ms` at most; a first result of an
arm or a metric, which may end it, has it looked at within a minute.
"""

from dataclasses import dataclass, replace

from agents.core.batch import Finding
from agents.core.phrasing import grouped, moment_of
from agents.core.policies import policy_for
from agents.core.provenance import Provenance
from agents.experiments.arms.arms import doubt, relevel
from agents.experiments.oversight.missing_data import CERTAIN, OF_SPLIT, Found, LackKind, lacks_of
from agents.experiments.oversight.split_checks import look_at_split
from agents.experiments.plan.frozen_plan import REST_MS
from agents.experiments.plan.terms import interacts, judged_before
from agents.experiments.verdicts.deploy_conditions import ripe_at
from agents.experiments.verdicts.discovery_refunds import end
from schemas.records import ExperimentRow, ExperimentStatus, Lack, Order, Verdict
from state.partition.experiment_tables import ExperimentTables
from state.row_expiry import rested
from state.storage.table import row_key

ENDING_MS = (
    600_000  # without results after its end, in which those that are on their way still count
)
LACKS_MAX = 16  # kept and told of one experiment; who mends these sees the next


@dataclass(frozen=True, slots=True)
class LackCheck:
    """What a look at one experiment came to; changed: lacks were told or are over."""

    subject: str
    findings: list[Finding]
    changed: bool


def look_after(key: str, place: Provenance, tables: ExperimentTables) -> LackCheck:
    """Looks at an experiment for what it lacks, and whether it ends."""
    experiment = tables.experiments.get(key)
    assert experiment is not None, f"{key} is due without a row"
    before = experiment
    if experiment.begun_at < 0 and experiment.status == ExperimentStatus.RUNNING:
        return _taken_over(experiment, place.now, tables)
    if experiment.status != ExperimentStatus.RUNNING:
        experiment = replace(experiment, lacks=(), due_at=-1)
        tables.experiments.put(experiment)
        return LackCheck(experiment.subject, [], any(lack.told_at >= 0 for lack in before.lacks))
    if _ends(experiment, place.now, tables):
        return _ended(experiment, place, tables)
    wait_ms = policy_for(experiment.subject, tables.policies).missing_after_ms
    found = sorted(
        lacks_of(experiment, tables, place.now, wait_ms), key=lambda one: (one.kind, one.name)
    )
    known = {(lack.kind, lack.name): lack for lack in experiment.lacks}
    lacks, findings = list[Lack](), list[Finding]()
    for one in found[:LACKS_MAX]:
        lack = known.get((one.kind, one.name)) or Lack(
            one.kind, one.name, one.since, units=one.units
        )
        lasts = place.now - lack.since >= wait_ms and one.units - lack.units >= one.lasting
        if lack.told_at < 0 and (one.kind in CERTAIN or lasts):
            lack = replace(lack, told_at=place.now)
            findings.append(_finding(experiment, one, lack))
        lacks.append(lack)
    told = {(lack.kind, lack.name) for lack in before.lacks if lack.told_at >= 0}
    now_told = {(lack.kind, lack.name) for lack in lacks if lack.told_at >= 0}
    experiment = replace(experiment, lacks=tuple(lacks))
    experiment = _aged(experiment, place.now, tables)
    if any(one.verdict == Verdict.SPLIT for one in findings):
        experiment = _held(experiment, tables)
    if interacts(experiment) != interacts(before):
        relevel(tables, experiment)
        _doubt(experiment, tables)
    shared = any(one.kind in OF_SPLIT for one in lacks)
    if not shared:
        experiment, of_split = look_at_split(experiment, place, tables)
        findings += of_split
    # The last of all, for what is held now is looked at within a minute.
    due_at = _next(experiment, lacks, place.now, wait_ms, tables)
    experiment = replace(experiment, due_at=due_at)
    tables.experiments.put(experiment)
    tables.lack_checks.put(key, experiment.due_at)
    return LackCheck(experiment.subject, findings, told != now_told)


def _aged(experiment: ExperimentRow, now: int, tables: ExperimentTables) -> ExperimentRow:
    """The row with whether it has run for as many days as the policy asks of a deployment."""
    ripe = now >= ripe_at(experiment, tables)
    if ripe == experiment.ripe:
        return experiment
    _doubt(experiment, tables)
    return replace(experiment, ripe=ripe)


def _doubt(experiment: ExperimentRow, tables: ExperimentTables) -> None:
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    if number is not None:
        doubt(tables, number)


def _taken_over(experiment: ExperimentRow, now: int, tables: ExperimentTables) -> LackCheck:
    """Begins to look after an experiment of an older Mendstream, which kept neither when it was
    announced nor when its arms sent last: what waits in its topic is judged before anything is said
    of it.
    """
    begun_at = experiment.started_at if experiment.started_at >= 0 else now
    experiment = replace(experiment, begun_at=begun_at, due_at=now + ENDING_MS)
    tables.experiments.put(experiment)
    tables.lack_checks.put(row_key(experiment.subject, experiment.experiment_id), experiment.due_at)
    return LackCheck(experiment.subject, [], False)


def lasting(subject: str, tables: ExperimentTables) -> dict[LackKind, int]:
    """How many things of each kind are told to be lacking in a subject's experiments."""
    counts = dict.fromkeys(LackKind, 0)
    for row in tables.experiments.rows_of(subject):
        for lack in row.lacks:
            counts[LackKind(lack.kind)] += lack.told_at >= 0
    return counts


def rebuild(tables: ExperimentTables) -> None:
    """What is derived, after rows were restored; those of an older Mendstream are looked at at
    once.
    """
    tables.lack_checks.rebuild(
        (row_key(row.subject, row.experiment_id), max(0, row.due_at))
        for row in tables.experiments.rows()
        if row.status == ExperimentStatus.RUNNING or row.due_at >= 0
    )


def _finding(experiment: ExperimentRow, one: Found, lack: Lack) -> Finding:
    split, interaction = one.kind in OF_SPLIT, one.kind == LackKind.INTERACTION
    name = f"{experiment.subject}/{experiment.experiment_id}"
    return Finding(
        at=0,
        agent="judge",
        ordinal=f"{experiment.experiment_id}|{one.kind}|{one.name}",
        verdict=Verdict.SPLIT if split else Verdict.UNSTABLE if interaction else Verdict.MISSING,
        order=Order.NONE,
        subject=experiment.subject,
        metric=one.metric,
        rule=OF_SPLIT[one.kind]
        if split
        else "experiments interact"
        if interaction
        else f"{one.kind.lower()} missing",
        reason=f"{name} cannot be judged since {moment_of(lack.since)}: {one.why}",
        evidence=(),
        experiment_id=experiment.experiment_id,
        variant=one.variant,
    )


def _held(experiment: ExperimentRow, tables: ExperimentTables) -> ExperimentRow:
    """As where the split is broken: nothing is proved by arms that share their units."""
    offset = max(_rows_column(experiment, "applied_offset", tables), default=0)
    held = replace(
        experiment, split_offset=experiment.split_offset if experiment.split_offset >= 0 else offset
    )
    relevel(tables, held)
    return held


def _rows_column(experiment: ExperimentRow, column: str, tables: ExperimentTables) -> list[int]:
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    groups = tables.index[number].arms.values() if number is not None else ()
    return [int(tables.arms[column][row]) for group in groups for row in group.values()]


def _next(
    experiment: ExperimentRow, lacks: list[Lack], now: int, wait_ms: int, tables: ExperimentTables
) -> int:
    """When something of it may be due: a lack that has lasted or is over, an arm that was silent
    for long, its end.
    """
    moments = [now + wait_ms]
    moments += [_again(lack, now, wait_ms) for lack in lacks]
    moments += [
        at + wait_ms
        for at in _rows_column(experiment, "last_at", tables)
        if at >= 0 and now < at + wait_ms
    ]
    if experiment.ends_at is not None:
        moments.append(experiment.ends_at)
    if experiment.split_window:
        moments.append(now)
    if now < ripe_at(experiment, tables):
        moments.append(ripe_at(experiment, tables))
    return max(now + REST_MS, min(moments))


def _again(lack: Lack, now: int, wait_ms: int) -> int:
    """When a lack may be told, or is looked at again: what has lasted for long may well last on."""
    since = lack.since if lack.told_at >= 0 else lack.since + wait_ms
    return since if now < since else now + min(wait_ms, (now - since) // 10)


def _ends(experiment: ExperimentRow, now: int, tables: ExperimentTables) -> bool:
    """Whether its time is over, and no result of its time has come for a while: a backlog is judged
    to its end.
    """
    if experiment.ends_at is None or now < experiment.ends_at:
        return False
    last = max([experiment.begun_at, *_rows_column(experiment, "last_at", tables)])
    return now - last >= ENDING_MS


def _ended(experiment: ExperimentRow, place: Provenance, tables: ExperimentTables) -> LackCheck:
    changed = any(lack.told_at >= 0 for lack in experiment.lacks)
    now = place.now
    end(experiment, tables)
    ended = replace(
        experiment,
        status=ExperimentStatus.ENDED,
        ended_at=now,
        lacks=(),
        due_at=-1,
        leaves_at=rested(now),
    )
    tables.experiments.put(ended)
    relevel(tables, ended)
    number = tables.index.number(row_key(ended.subject, ended.experiment_id))
    if number is not None:
        trial = tables.index[number]
        rows = [row for metric in trial.arms for row in trial.rows_of(metric)]
        tables.arms.ends_at[rows] = judged_before(ended)
    return LackCheck(ended.subject, [_ending(ended, tables)], changed)


def _expected(experiment: ExperimentRow, tables: ExperimentTables) -> list[str]:
    """What came of the metrics of which a count was expected, of all arms together."""
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    groups = tables.index[number].arms if number is not None else {}
    said = list[str]()
    for metric in experiment.metrics:
        if metric.expected_count is not None:
            units = sum(int(tables.arms.count[row]) for row in groups.get(metric.name, {}).values())
            said.append(
                f"{grouped(units)} of {grouped(metric.expected_count)} expected units of "
                f"{metric.name} came"
            )
    return said


def _ending(experiment: ExperimentRow, tables: ExperimentTables) -> Finding:
    assert experiment.ends_at is not None, "an experiment without an end has ended"
    name = f"{experiment.subject}/{experiment.experiment_id}"
    decided = {done.variant: done.order for done in experiment.decided}
    variants = experiment.treatments or tuple(
        dict.fromkeys(pair.variant for pair in experiment.pairs)
    )
    said = [
        f"{one}: {decided[one].lower()} ordered" if one in decided else f"{one}: nothing proved"
        for one in variants
    ]
    said += _expected(experiment, tables)
    late = (
        f"{experiment.late} results of later moments were not judged"
        if experiment.late
        else "what comes is not judged"
    )
    return Finding(
        at=0,
        agent="judge",
        ordinal=f"{experiment.experiment_id}|ENDED",
        verdict=Verdict.ENDED,
        order=Order.NONE,
        subject=experiment.subject,
        metric="",
        rule="ends_at",
        reason=f"{name} ended at {moment_of(experiment.ends_at)}: "
        f"{'; '.join(said) or 'no result came'}; {late}",
        evidence=(),
        experiment_id=experiment.experiment_id,
    )
