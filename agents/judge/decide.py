"""Decides an experiment with a latched verdict: rollback at the first event that proves harm, deploy at the first that
proves a gain with every guardrail sound, hold when the split is broken."""

from dataclasses import dataclass, replace

import numpy as np

from agents.judge.arms import NEVER, Method
from agents.judge.assess import Effect, Evidence, Flags, Totals, effects
from agents.judge.wording import describe, evidence_of
from agents.policy import EXPOSURE
from agents.slice import Facts, Finding, Ints
from schemas.records import Decided, ExperimentRow, Order, Role, Verdict
from state.tables import Tables, Trial

_LAST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Looks:
    """Moments with new evidence, by pair and in the order of the log within each, all shape (m,).

    pairs: the treatment's row; records: position in the facts; offsets; both arms' totals at that moment.
    """

    pairs: Ints
    records: Ints
    offsets: Ints
    control: Totals
    treatment: Totals


@dataclass(frozen=True, slots=True)
class _Pair:
    """One (treatment, metric) over the moments of its experiment in this slice."""

    row: int
    metric: str
    at: Ints  # its looks, as positions in Looks
    records: Ints  # their positions in the facts


def decide(facts: Facts, tables: Tables, trial: int, looks: Looks, evidence: Evidence) -> list[Finding]:
    """Findings of one experiment in this slice; closes what is decided."""
    arms, index = tables.arms, tables.trials[trial]
    experiment = tables.experiments.get(index.key)
    assert experiment is not None
    findings: list[Finding] = []
    broken = _broken_split(tables, index)
    decided = list(experiment.decided)
    for variant in _undecided(experiment, index):
        pairs = [_pair(tables, looks, row, metric) for metric, row in _open_rows(tables, index, variant)]
        if not pairs:
            continue
        found = _rollback(facts, tables, experiment, variant, pairs, looks, evidence)
        gain = _deploy(facts, tables, experiment, variant, pairs, looks)
        if gain is not None and (found is None or gain.at < found.at):
            found = gain
        if found is not None and facts.offsets[found.at] <= broken:
            findings.append(found)
            decided.append(Decided(variant, found.order, int(facts.offsets[found.at])))
            _close(tables, [pair.row for pair in pairs])
    if broken != _LAST and experiment.split_offset < 0:
        findings.append(_hold(facts, tables, experiment, index, broken, looks))
        experiment = replace(experiment, split_offset=broken)
        tables.experiments.put(experiment)
        _close(tables, [row for group in index.arms.values() for row in group.values()])
    if len(decided) > len(experiment.decided):
        tables.experiments.put(replace(experiment, decided=tuple(decided)))
    if not any(_latched(tables, row) for group in index.arms.values() for row in group.values()):
        tables.pending.discard(trial)
    return findings


def _latched(tables: Tables, row: int) -> bool:
    arms = tables.arms
    return bool(np.isfinite(arms["harm_level"][row]) and max(arms["harm_offset"][row], arms["gain_offset"][row]) >= 0)


def _undecided(experiment: ExperimentRow, index: Trial) -> list[str]:
    done = {decided.variant for decided in experiment.decided}
    variants = {variant: None for group in index.arms.values() for variant in group}
    return [variant for variant in variants if variant != experiment.control and variant not in done]


def _open_rows(tables: Tables, index: Trial, variant: str) -> list[tuple[str, int]]:
    arms = tables.arms
    rows = [(metric, group[variant]) for metric, group in index.arms.items() if variant in group]
    return [(m, r) for m, r in rows if np.isfinite(arms["harm_level"][r]) and arms["method"][r] != Method.SPLIT]


def _pair(tables: Tables, looks: Looks, row: int, metric: str) -> _Pair:
    start, end = np.searchsorted(looks.pairs, [row, row + 1])
    at = np.arange(start, end)
    return _Pair(row, metric, at, looks.records[at])


def _broken_split(tables: Tables, index: Trial) -> int:
    """The offset at which the split was found broken; later than everything if it is sound."""
    group = index.arms.get(EXPOSURE, {})
    latched = [int(tables.arms["harm_offset"][row]) for row in group.values() if tables.arms["harm_offset"][row] >= 0]
    return min(latched, default=_LAST)


def _rollback(
    facts: Facts,
    tables: Tables,
    experiment: ExperimentRow,
    variant: str,
    pairs: list[_Pair],
    looks: Looks,
    evidence: Evidence,
) -> Finding | None:
    best: tuple[int, _Pair, int] | None = None
    for pair in pairs:
        since = tables.arms["harm_offset"][pair.row]
        if since < 0:
            continue
        proved = (looks.offsets[pair.at] >= since) & evidence.enough[pair.at] & evidence.agrees[pair.at]
        first = np.flatnonzero(proved)
        if len(first) and (best is None or pair.records[first[0]] < best[0]):
            best = int(pair.records[first[0]]), pair, int(pair.at[first[0]])
    if best is None:
        return None
    record, pair, look = best
    return _finding(facts, tables, experiment, variant, pair, look, record, looks, Verdict.HARM)


def _deploy(
    facts: Facts, tables: Tables, experiment: ExperimentRow, variant: str, pairs: list[_Pair], looks: Looks
) -> Finding | None:
    arms = tables.arms
    roles = {spec.name: spec.role for spec in experiment.metrics}
    goals = [pair for pair in pairs if roles[pair.metric] == Role.GOAL]
    if not goals or any(arms["gain_offset"][goal.row] < 0 for goal in goals):
        return None
    named = [spec.name for spec in experiment.metrics if spec.role in (Role.GOAL, Role.GUARDRAIL)]
    if experiment.specified and {pair.metric for pair in pairs} != set(named):
        return None  # a guardrail without data promotes nothing
    moments = np.unique(np.concatenate([pair.records for pair in pairs]))
    sound = np.ones(len(moments), np.bool_)
    for pair in pairs:
        sound &= _not_harmed(facts, tables, pair, moments)
        if roles[pair.metric] == Role.GOAL:
            sound &= facts.offsets[moments] >= arms["gain_offset"][pair.row]
        else:
            sound &= _guarded(tables, pair, looks, moments)
    first = np.flatnonzero(sound)
    if not len(first):
        return None
    record = int(moments[first[0]])
    goal = max(goals, key=lambda pair: int(arms["gain_offset"][pair.row]))
    upto = int(np.searchsorted(goal.records, record, side="right")) - 1
    look = int(goal.at[upto]) if upto >= 0 else None
    return _finding(facts, tables, experiment, variant, goal, look, record, looks, Verdict.GAIN)


def _not_harmed(facts: Facts, tables: Tables, pair: _Pair, moments: Ints) -> Flags:
    since = tables.arms["harm_offset"][pair.row]
    return np.asarray((since < 0) | (facts.offsets[moments] < since))


def _guarded(tables: Tables, pair: _Pair, looks: Looks, moments: Ints) -> Flags:
    """Whether the guardrail's bad end was within its margin at each moment, by its latest totals then."""
    arms = tables.arms
    carried = _effects_at(tables, pair.row, looks, None)
    rows = np.full(len(pair.at), pair.row)
    at = _take(looks.control, pair.at), _take(looks.treatment, pair.at)
    bad_ends = np.append(carried.worst, effects(arms, rows, *at).worst)
    counts = np.append(_carried(tables, pair.row)[1].count, at[1].count)
    fine = (bad_ends > -arms["margin"][pair.row]) & (counts >= arms["min_count"][pair.row])
    return np.asarray(fine[np.searchsorted(pair.records, moments, side="right")])


def _finding(
    facts: Facts,
    tables: Tables,
    experiment: ExperimentRow,
    variant: str,
    pair: _Pair,
    look: int | None,
    record: int,
    looks: Looks,
    verdict: Verdict,
) -> Finding:
    effect = _effects_at(tables, pair.row, looks, look)
    control, treatment = _totals_at(tables, pair.row, looks, look)
    offset = int(facts.offsets[record])
    proof = evidence_of(facts, tables, pair.row, offset, effect, control, treatment, verdict)
    harm = verdict == Verdict.HARM
    return Finding(
        at=record,
        agent="judge",
        ordinal=f"{variant}|{verdict}",
        verdict=verdict,
        order=Order.ROLLBACK if harm else Order.DEPLOY,
        subject=experiment.subject,
        metric=pair.metric,
        rule="harm proved" if harm else "gain proved, guardrails sound",
        reason=describe(tables, experiment, variant, pair.row, effect, control, treatment, proof, verdict),
        evidence=(proof,),
        experiment_id=experiment.experiment_id,
        variant=variant,
        model_version=experiment.candidate_version,
        to_version=experiment.baseline_version if harm else experiment.candidate_version,
    )


def _hold(facts: Facts, tables: Tables, experiment: ExperimentRow, index: Trial, broken: int, looks: Looks) -> Finding:
    record = int(np.searchsorted(facts.offsets, broken))
    group = index.arms[EXPOSURE]
    variant, row = next((v, r) for v, r in group.items() if tables.arms["harm_offset"][r] == broken)
    at = np.flatnonzero((looks.pairs == row) & (looks.offsets == broken))
    effect = _effects_at(tables, row, looks, int(at[0]))
    control, treatment = _totals_at(tables, row, looks, int(at[0]))
    proof = evidence_of(facts, tables, row, broken, effect, control, treatment, Verdict.SPLIT)
    return Finding(
        at=record,
        agent="judge",
        ordinal=Verdict.SPLIT,
        verdict=Verdict.SPLIT,
        order=Order.NONE,
        subject=experiment.subject,
        metric=EXPOSURE,
        rule="sample ratio",
        reason=describe(tables, experiment, variant, row, effect, control, treatment, proof, Verdict.SPLIT),
        evidence=(proof,),
        experiment_id=experiment.experiment_id,
        variant=variant,
    )


def _totals_at(tables: Tables, row: int, looks: Looks, look: int | None) -> tuple[Totals, Totals]:
    if look is None:
        return _carried(tables, row)
    at = np.array([look])
    return _take(looks.control, at), _take(looks.treatment, at)


def _effects_at(tables: Tables, row: int, looks: Looks, look: int | None) -> Effect:
    return effects(tables.arms, np.array([row]), *_totals_at(tables, row, looks, look))


def _carried(tables: Tables, row: int) -> tuple[Totals, Totals]:
    """Both arms' totals as they came into this slice."""
    return totals_of(tables, tables.arms["control"][[row]]), totals_of(tables, np.array([row]))


def totals_of(tables: Tables, rows: Ints) -> Totals:
    """The stored totals of rows."""
    arms = tables.arms
    return Totals(arms["count"][rows], arms["hits"][rows], arms["sum"][rows], arms["sum_squares"][rows])


def _take(totals: Totals, at: Ints) -> Totals:
    return Totals(totals.count[at], totals.hits[at], totals.total[at], totals.squares[at])


def _close(tables: Tables, rows: list[int]) -> None:
    tables.arms["harm_level"][rows] = NEVER
    tables.arms["gain_level"][rows] = NEVER
