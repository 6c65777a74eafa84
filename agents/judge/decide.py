"""Decides an experiment with a latched verdict: rollback at the first event that proves harm, deploy at the first that
proves a gain with every guardrail sound, hold when the split is broken."""

from dataclasses import dataclass, replace

import numpy as np

from agents.judge.arms import NEVER, Method
from agents.judge.assess import Effect, Flags, Totals, agrees, effects, enough
from agents.judge.looks import Looks
from agents.judge.wording import describe, evidence_of
from agents.policy import EXPOSURE
from agents.slice import Facts, Finding, Ints
from schemas.records import Decided, ExperimentRow, Order, Role, Verdict
from state.columnar import Columnar
from state.tables import Tables, Trial


@dataclass(frozen=True, slots=True)
class _Pair:
    """One (treatment, metric) over the moments of its experiment in this slice."""

    row: int
    metric: str
    at: Ints  # its looks, as positions in Looks
    records: Ints  # their positions in the facts


def decide(facts: Facts, tables: Tables, trial: int, looks: Looks) -> list[Finding]:
    """Findings of one experiment in this slice, in the order of the log; closes what each decides."""
    index = tables.trials[trial]
    experiment = tables.experiments.get(index.key)
    assert experiment is not None
    candidates: list[Finding] = []
    for variant in _undecided(experiment, index):
        pairs = [_pair(tables, looks, row, metric) for metric, row in _open_rows(tables, index, variant)]
        if pairs:
            harm = _rollback(facts, tables, experiment, variant, pairs, looks)
            gain = _deploy(facts, tables, experiment, index, variant, pairs, looks)
            found = [finding for finding in (harm, gain) if finding is not None]
            candidates += sorted(found, key=lambda finding: finding.at)[:1]
        candidates += _hold(facts, tables, experiment, index, variant, looks)
    findings: list[Finding] = []
    for finding in sorted(candidates, key=lambda finding: finding.at):
        variant, offset = finding.variant or "", int(facts.offsets[finding.at])
        if variant not in _undecided(experiment, index):
            continue
        findings.append(finding)
        if finding.verdict == Verdict.SPLIT:
            experiment = replace(experiment, split_offset=offset)
            _close(tables, [row for group in index.arms.values() for row in group.values()], offset)
            break
        experiment = replace(experiment, decided=(*experiment.decided, Decided(variant, finding.order, offset)))
        _close(tables, [group[variant] for group in index.arms.values() if variant in group], offset)
    if findings:
        tables.experiments.put(experiment)
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
    judged = [(m, r) for m, r in rows if np.isfinite(arms["harm_level"][r]) and arms["method"][r] != Method.SPLIT]
    return [(m, r) for m, r in judged if arms["control"][r] >= 0]


def _pair(tables: Tables, looks: Looks, row: int, metric: str) -> _Pair:
    start, end = np.searchsorted(looks.pairs, [row, row + 1])
    at = np.arange(start, end)
    return _Pair(row, metric, at, looks.records[at])


def _rollback(
    facts: Facts,
    tables: Tables,
    experiment: ExperimentRow,
    variant: str,
    pairs: list[_Pair],
    looks: Looks,
) -> Finding | None:
    best: tuple[int, _Pair, int] | None = None
    for pair in pairs:
        since = tables.arms["harm_offset"][pair.row]
        if since < 0:
            continue
        first = np.flatnonzero(looks.offsets[pair.at] >= since)
        if len(first) and (best is None or pair.records[first[0]] < best[0]):
            best = int(pair.records[first[0]]), pair, int(pair.at[first[0]])
    if best is None:
        return None
    record, pair, look = best
    return _finding(facts, tables, experiment, variant, pair, look, record, looks, Verdict.HARM)


def _deploy(
    facts: Facts,
    tables: Tables,
    experiment: ExperimentRow,
    index: Trial,
    variant: str,
    pairs: list[_Pair],
    looks: Looks,
) -> Finding | None:
    arms, known = tables.arms, {pair.metric: pair for pair in pairs}
    judged = [spec for spec in experiment.metrics if spec.role in (Role.GOAL, Role.GUARDRAIL) and spec.name != EXPOSURE]
    goals = [known[spec.name] for spec in judged if spec.role == Role.GOAL and spec.name in known]
    if all(arms["gain_offset"][goal.row] < 0 for goal in goals):
        return None
    moments = np.unique(np.concatenate([pair.records for pair in pairs]))
    offsets = facts.offsets[moments]
    sound, gained = np.ones(len(moments), np.bool_), np.zeros(len(moments), np.bool_)
    for spec in judged:
        # Without a spec a metric is judged from its first result on, whichever arm sent it.
        since = -1 if experiment.specified else min(arms["first_offset"][row] for row in index.arms[spec.name].values())
        if spec.name not in known:
            sound &= offsets < since  # a metric without data promotes nothing
            continue
        sides = _latest(tables, known[spec.name], looks, moments)
        proved = (_gained if spec.role == Role.GOAL else _guarded)(arms, known[spec.name].row, offsets, *sides)
        harmed = arms["harm_offset"][known[spec.name].row]
        sound &= (offsets < since) | (proved & ((harmed < 0) | (offsets < harmed)))
        gained |= proved & (spec.role == Role.GOAL)
    first = np.flatnonzero(sound & gained)
    if not len(first):
        return None
    record, offset = int(moments[first[0]]), int(offsets[first[0]])
    goal = max(goals, key=lambda pair: (arms["gain_offset"][pair.row] <= offset, arms["gain_offset"][pair.row]))
    upto = int(np.searchsorted(goal.records, record, side="right")) - 1
    look = int(goal.at[upto]) if upto >= 0 else None
    return _finding(facts, tables, experiment, variant, goal, look, record, looks, Verdict.GAIN)


def _latest(tables: Tables, pair: _Pair, looks: Looks, moments: Ints) -> tuple[Totals, Totals]:
    """Both arms' totals at each moment: as carried into this slice, or after the latest look."""
    upto = np.searchsorted(pair.records, moments, side="right")
    control, treatment = _carried(tables, pair.row)
    return (
        control.then(looks.control.take(pair.at)).take(upto),
        treatment.then(looks.treatment.take(pair.at)).take(upto),
    )


def _gained(arms: Columnar, row: int, offsets: Ints, control: Totals, treatment: Totals) -> Flags:
    since = arms["gain_offset"][row]
    supported = agrees(arms, np.full(len(offsets), row), control, treatment, Verdict.GAIN)
    return np.asarray((since >= 0) & (offsets >= since) & supported)


def _guarded(arms: Columnar, row: int, offsets: Ints, control: Totals, treatment: Totals) -> Flags:
    """Whether the guardrail's bad end is within its margin, on enough records."""
    rows = np.full(len(offsets), row)
    bad_end = effects(arms, rows, control, treatment).worst
    return np.asarray((bad_end > -arms["margin"][row]) & enough(arms, rows, control, treatment))


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


def _hold(
    facts: Facts, tables: Tables, experiment: ExperimentRow, index: Trial, variant: str, looks: Looks
) -> list[Finding]:
    """The finding that a treatment's split is broken, if it is."""
    row = index.arms.get(EXPOSURE, {}).get(variant)
    if row is None or tables.arms["harm_offset"][row] < 0:
        return []
    broken = int(tables.arms["harm_offset"][row])
    look = int(np.flatnonzero((looks.pairs == row) & (looks.offsets == broken))[0])
    effect = _effects_at(tables, row, looks, look)
    control, treatment = _totals_at(tables, row, looks, look)
    proof = evidence_of(facts, tables, row, broken, effect, control, treatment, Verdict.SPLIT)
    finding = Finding(
        at=int(looks.records[look]),
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
    return [finding]


def _totals_at(tables: Tables, row: int, looks: Looks, look: int | None) -> tuple[Totals, Totals]:
    if look is None:
        return _carried(tables, row)
    at = np.array([look])
    return looks.control.take(at), looks.treatment.take(at)


def _effects_at(tables: Tables, row: int, looks: Looks, look: int | None) -> Effect:
    return effects(tables.arms, np.array([row]), *_totals_at(tables, row, looks, look))


def _carried(tables: Tables, row: int) -> tuple[Totals, Totals]:
    """Both arms' totals as they came into this slice."""
    return totals_of(tables, tables.arms["control"][[row]]), totals_of(tables, np.array([row]))


def totals_of(tables: Tables, rows: Ints) -> Totals:
    """The stored totals of rows."""
    arms = tables.arms
    columns = ("count", "hits", "sum", "sum_squares", "missing_squares")
    return Totals(*(arms[name][rows] for name in columns))


def _close(tables: Tables, rows: list[int], offset: int) -> None:
    """Judges rows no more, and takes back what later records of this slice proved."""
    arms, closed = tables.arms, np.array(rows)
    arms["harm_level"][closed] = NEVER
    arms["gain_level"][closed] = NEVER
    for column in ("harm_offset", "gain_offset"):
        arms[column][closed[arms[column][closed] > offset]] = -1
