"""Decides an experiment with something proved: rollback at the first event that proves harm, deploy
at the first that proves a gain with every guardrail sound, hold when the split is broken; a gain
that must wait and an effect that drifts are said once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from agents.core.batch import Facts, Finding
from agents.core.policies import EXPOSURE
from agents.experiments.arms.arms import latched
from agents.experiments.evidence.assess import agrees, assess
from agents.experiments.evidence.guardrails import sound
from agents.experiments.evidence.looks import Looks
from agents.experiments.evidence.pair_moment import PairMoment
from agents.experiments.evidence.ramp_steps import with_strata
from agents.experiments.evidence.running_interval import Cuts
from agents.experiments.plan.terms import NEVER, Method, deployed, moved
from agents.experiments.totals.running_totals import Running, totals_of
from agents.experiments.totals.totals import Flags, Ints, Sides
from agents.experiments.verdicts.verdict_wording import finding_of
from schemas.records import Decided, ExperimentRow, MetricSpec, Order, Role, SubjectRow, Verdict
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key


@dataclass(frozen=True, slots=True)
class _Pair:
    """One (treatment, metric) over the moments of its experiment in this slice."""

    row: int
    metric: str
    at: Ints  # its looks, as positions in Looks
    records: Ints  # their positions in the facts


@dataclass(frozen=True, slots=True)
class _Case:
    """One experiment in this slice."""

    facts: Facts
    tables: ExperimentTables
    after: Running
    looks: Looks
    cuts: Cuts
    experiment: ExperimentRow
    index: ExperimentArms

    def moment(self, row: int, record: int) -> PairMoment:
        """A pair after one record of the slice."""
        moment = PairMoment.of(self.facts, self.tables, self.after, self.experiment, row, record)
        return moment.with_running(*self.cuts.at(self.tables.arms, self.looks, row, moment.offset))


def decide(
    facts: Facts, tables: ExperimentTables, after: Running, trial: int, looks: Looks, cuts: Cuts
) -> list[Finding]:
    """Findings of one experiment in this slice, in the order of the log; closes what each
    decides.
    """
    index = tables.index[trial]
    experiment = tables.experiments.get(index.key)
    assert experiment is not None
    case = _Case(facts, tables, after, looks, cuts, experiment, index)
    candidates = [
        finding for variant in _judged(experiment, index) for finding in _candidates(case, variant)
    ]
    findings: list[Finding] = []
    closed = set[str]()
    for finding in sorted(candidates, key=lambda finding: finding.at):
        variant, offset = finding.variant or "", int(facts.offsets[finding.at])
        if variant in closed:
            continue
        findings.append(finding)
        if finding.verdict == Verdict.SPLIT:
            experiment = replace(experiment, split_offset=offset)
            broken = set(_judged(experiment, index)) - moved(experiment)
            closed |= broken
            _close(tables, _rows(index, broken), offset)
            continue
        if finding.order == Order.NONE:
            continue
        closed.add(variant)
        experiment = _settled(experiment, finding, offset, tables)
        asks = next(done.asks for done in experiment.decided if done.variant == variant)
        findings[-1] = replace(finding, asks=asks)
        _close(tables, _rows(index, {variant}), offset)
    if findings:
        tables.experiments.put(experiment)
    if not latched(tables, np.array(_rows(index, None), np.int64)).any():
        tables.pending.discard(trial)
    return findings


def _settled(
    experiment: ExperimentRow, finding: Finding, offset: int, tables: ExperimentTables
) -> ExperimentRow:
    """The experiment after an order, in the place of what was decided of the treatment before."""
    variant, deploys = finding.variant or "", finding.order == Order.DEPLOY
    before = next((done for done in experiment.decided if done.variant == variant), None)
    done = Decided(variant, finding.order, offset, moved=variant in moved(experiment))
    if before is not None and before.order == finding.order:
        done = replace(done, tries=before.tries, asks=before.asks)
    known = experiment.discovered or any(one.order == Order.DEPLOY for one in experiment.decided)
    if deploys and not known:
        _discover(tables, experiment.subject)
    others = tuple(one for one in experiment.decided if one.variant != variant)
    return replace(experiment, decided=(*others, done), discovered=known or deploys)


def _rows(index: ExperimentArms, variants: set[str] | None) -> list[int]:
    """The rows of these treatments as a whole, or of all arms."""
    named = (pair for group in index.arms.values() for pair in group.items())
    return [row for variant, row in named if variants is None or variant in variants]


def _candidates(case: _Case, variant: str) -> Iterator[Finding]:
    """What the slice would find of a treatment, each as if the others were not."""
    pairs = [_pair(case, row, metric) for metric, row in _open_rows(case, variant)]
    watched = variant in deployed(case.experiment)
    if pairs:
        deploys = None if watched else _deploy(case, variant, pairs)
        ends = [finding for finding in (_rollback(case, pairs), deploys) if finding is not None]
        first = sorted(ends, key=lambda finding: finding.at)[:1]
        yield from first
        gone = first[0].at if first and first[0].verdict == Verdict.GAIN else len(case.facts)
        yield from _asides(case, pairs, gone, _FOUND[1:] if watched else _FOUND)
    if not watched:
        yield from _hold(case, variant)


def _judged(experiment: ExperimentRow, index: ExperimentArms) -> list[str]:
    """The treatments of which something may still be found: those without an order, and those
    deployed.
    """
    done = {one.variant for one in experiment.decided if not one.open} - deployed(experiment)
    variants = {variant: None for group in index.arms.values() for variant in group}
    return [
        variant for variant in variants if variant != experiment.control and variant not in done
    ]


def _open_rows(case: _Case, variant: str) -> list[tuple[str, int]]:
    arms = case.tables.arms
    rows = [
        (metric, group[variant]) for metric, group in case.index.arms.items() if variant in group
    ]
    judged = [
        (m, r)
        for m, r in rows
        if np.isfinite(arms.harm_level[r]) and arms.method[r] != Method.SPLIT
    ]
    return [(m, r) for m, r in judged if arms.control[r] >= 0]


def _pair(case: _Case, row: int, metric: str) -> _Pair:
    start, end = np.searchsorted(case.looks.pairs, [row, row + 1])
    at = np.arange(start, end)
    return _Pair(row, metric, at, case.looks.records[at])


def _record(case: _Case, pair: _Pair, column: str) -> int | None:
    """The record of this slice from which on something of a pair is proved; None where it is not in
    this slice.
    """
    since = case.tables.arms[column][pair.row]
    first = np.flatnonzero(case.looks.offsets[pair.at] >= since) if since >= 0 else pair.at[:0]
    return int(pair.records[first[0]]) if len(first) else None


def _rollback(case: _Case, pairs: list[_Pair]) -> Finding | None:
    harmed = [
        (record, pair.row)
        for pair in pairs
        if (record := _record(case, pair, "harm_offset")) is not None
    ]
    if not harmed:
        return None
    record, row = min(harmed, key=lambda one: one[0])
    return finding_of(case.moment(row, record), Verdict.HARM, Order.ROLLBACK)


_FOUND = (("gain_offset", Verdict.GAIN), ("unstable_offset", Verdict.UNSTABLE))


def _asides(
    case: _Case, pairs: list[_Pair], deployed: int, found: tuple[tuple[str, Verdict], ...]
) -> Iterator[Finding]:
    """A gain proved here that is not deployed at once, and an effect that began to drift here:
    nothing is ordered.
    """
    arms = case.tables.arms
    for pair in pairs:
        for column, verdict in found:
            record = _record(case, pair, column)
            if (
                record is not None
                and case.facts.offsets[record] == arms[column][pair.row]
                and record != deployed
            ):
                yield finding_of(case.moment(pair.row, record), verdict, Order.NONE)


def _deploy(case: _Case, variant: str, pairs: list[_Pair]) -> Finding | None:
    arms, known = case.tables.arms, {pair.metric: pair for pair in pairs}
    judged = [
        spec
        for spec in case.experiment.metrics
        if spec.role in (Role.GOAL, Role.GUARDRAIL) and spec.name != EXPOSURE
    ]
    goals = [known[spec.name] for spec in judged if spec.role == Role.GOAL and spec.name in known]
    if all(arms.gain_offset[goal.row] < 0 for goal in goals):
        return None
    moments = np.unique(np.concatenate([pair.records for pair in pairs]))
    sound, gained = np.ones(len(moments), np.bool_), np.zeros(len(moments), np.bool_)
    for spec in judged:
        proved = _proved(case, spec, known.get(spec.name), moments)
        sound &= proved | (case.facts.offsets[moments] < _since(case, spec))
        gained |= proved & (spec.role == Role.GOAL)
    first = np.flatnonzero(sound & gained)
    if not len(first):
        return None
    record, offset = int(moments[first[0]]), int(case.facts.offsets[moments[first[0]]])
    goal = max(
        goals,
        key=lambda pair: (arms.gain_offset[pair.row] <= offset, arms.gain_offset[pair.row]),
    )
    return finding_of(case.moment(goal.row, record), Verdict.GAIN, Order.DEPLOY)


def _since(case: _Case, spec: MetricSpec) -> int:
    """From where on a metric counts: without a spec from its first result, whichever arm sent
    it.
    """
    if case.experiment.specified:
        return -1
    return min(
        int(case.tables.arms.first_offset[row]) for row in case.index.arms[spec.name].values()
    )


def _proved(case: _Case, spec: MetricSpec, pair: _Pair | None, moments: Ints) -> Flags:
    """At which moments a goal's gain is proved, or a guardrail sound; nowhere without data."""
    if pair is None:
        return np.zeros(len(moments), np.bool_)
    offsets, sides = case.facts.offsets[moments], _latest(case, pair, moments)
    proved = (_gained if spec.role == Role.GOAL else _guarded)(case, pair.row, offsets, sides)
    for column in ("harm_offset", "unstable_offset"):
        against = case.tables.arms[column][pair.row]
        proved &= (against < 0) | (offsets < against)
    return proved


def _latest(case: _Case, pair: _Pair, moments: Ints) -> Sides:
    """Both arms at each moment: as carried into this slice, or after the latest look."""
    rows, tables = np.array([pair.row]), case.tables
    carried = Sides(totals_of(tables, tables.arms.control[rows]), totals_of(tables, rows))
    carried = with_strata(tables, rows, carried)
    upto = np.searchsorted(pair.records, moments, side="right")
    return carried.then(case.looks.sides.take(pair.at)).take(upto)


def _gained(case: _Case, row: int, offsets: Ints, sides: Sides) -> Flags:
    arms = case.tables.arms
    since = arms.gain_offset[row]
    rows = np.full(len(offsets), row)
    # What was proved once may have faded since: nothing is deployed whose interval holds 0 by then.
    supported = assess(arms, rows, offsets, sides, exact=False).gain >= arms.gain_level[row]
    return np.asarray(
        (since >= 0) & (offsets >= since) & supported & agrees(arms, rows, sides, Verdict.GAIN)
    )


def _guarded(case: _Case, row: int, offsets: Ints, sides: Sides) -> Flags:
    """Whether the guardrail's bad end is within its margin, on enough records."""
    return sound(case.tables.arms, np.full(len(offsets), row), sides)


def _hold(case: _Case, variant: str) -> Iterator[Finding]:
    """The finding that a treatment's split is broken, if it is."""
    arms, row = case.tables.arms, case.index.arms.get(EXPOSURE, {}).get(variant)
    if row is not None and arms.harm_offset[row] >= 0:
        look = np.flatnonzero(
            (case.looks.pairs == row) & (case.looks.offsets == arms.harm_offset[row])
        )
        if len(look):
            yield finding_of(
                case.moment(row, int(case.looks.records[look[0]])), Verdict.SPLIT, Order.NONE
            )


def _discover(tables: ExperimentTables, subject: str) -> None:
    row = tables.subjects.get(row_key(subject))
    assert isinstance(row, SubjectRow), f"an experiment of {subject} without its subject's row"
    tables.subjects.put(replace(row, discoveries=row.discoveries + 1))


def _close(tables: ExperimentTables, rows: list[int], offset: int) -> None:
    """Judges rows no more, and takes back what later records of this slice proved.

    Those of what is deployed are looked at again from there on: `verdicts.look`.
    """
    arms, closed = tables.arms, np.array(rows)
    arms.harm_level[closed] = NEVER
    arms.gain_level[closed] = NEVER
    arms.closed_offset[closed] = np.minimum(arms.closed_offset[closed], offset)
    for column in ("harm_offset", "gain_offset", "unstable_offset"):
        arms[column][closed[arms[column][closed] > offset]] = -1
