"""The sentence that a person reads, and the numbers beside it: of the whole, and by segment to
explain it.
"""

from collections.abc import Iterator

import numpy as np

from agents.core.batch import Compared, Finding
from agents.core.kitagawa import Added, Components, Part, components
from agents.core.phrasing import grouped, nth, odds
from agents.core.policies import EXPOSURE
from agents.experiments.evidence.pair_evidence import evidence_of
from agents.experiments.evidence.pair_interval import interval_of
from agents.experiments.plan.terms import EVIDENCE_KINDS, Tally, burns_in, plan_of
from agents.experiments.verdicts.gain_waits import waits
from agents.experiments.verdicts.pair_moment import (
    Interval,
    PairMoment,
    cut_off_of,
    judged_units,
    per_unit,
    total_of,
)
from schemas.records import Direction, Evidence, EvidenceKind, ExperimentRow, Order, Verdict
from state.storage.table import row_key

WORTH_A_WORD = 0.001  # of a sum; less is not read in a percentage
SEGMENTS_SHOWN = 5  # those with most units; a command is read by a person

_RULES = {
    Verdict.HARM: "harm proved",
    Verdict.GAIN: "gain proved, guardrails sound",
    Verdict.SPLIT: "sample ratio",
    Verdict.UNSTABLE: "running interval empty",
}


def finding_of(moment: PairMoment, verdict: Verdict, order: Order) -> Finding:
    """What was found of one pair at one moment, and what it asks for."""
    experiment, waiting = moment.experiment, verdict == Verdict.GAIN and order == Order.NONE
    proof, harm = _evidence(moment, moment.row, verdict), verdict == Verdict.HARM
    target = experiment.baseline_version if harm else experiment.candidate_version
    named = f"|{row_key(moment.metric)}" if waiting or verdict == Verdict.UNSTABLE else ""
    return Finding(
        at=0,
        agent="judge",
        ordinal=f"{row_key(moment.variant)}|{verdict}{named}{'|waits' if waiting else ''}",
        verdict=verdict,
        order=order,
        subject=experiment.subject,
        metric=moment.metric,
        rule="gain proved, guardrails not yet sound" if waiting else _RULES[verdict],
        reason=_describe(moment, proof, verdict, order),
        evidence=(proof, *_segments(moment, verdict)),
        experiment_id=experiment.experiment_id,
        variant=moment.variant,
        model_version=experiment.candidate_version if order != Order.NONE else None,
        to_version=target if order != Order.NONE else None,
        compared=_compared(moment),
        added=_added(moment, proof.estimate),
        came_with_version=experiment.candidate_version is not None,
        units=moment.units()[1],
        since=experiment.started_at,
    )


def _compared(moment: PairMoment) -> tuple[Compared, ...]:
    """Every metric that both arms had units of by then, the finding's own first."""
    tables = moment.tables
    index = tables.index[tables.arms.experiment_no[moment.row]]
    found = []
    for metric in sorted(index.arms, key=lambda name: (name != moment.metric, name)):
        control, treatment = (
            index.arms[metric].get(arm) for arm in (moment.experiment.control, moment.variant)
        )
        if metric == EXPOSURE or control is None or treatment is None:
            continue
        before, now = (_per_unit(moment, row) for row in (control, treatment))
        if np.isfinite(before) and np.isfinite(now):
            sign = (
                float(tables.arms.sign[treatment]) if _directed(moment.experiment, metric) else 0.0
            )
            found.append(Compared(metric, before, now, sign))
    return tuple(found)


def _per_unit(moment: PairMoment, row: int) -> float:
    """The mean of an arm; NaN where no unit is judged yet: what a burn-in leaves out is known once
    it is over.
    """
    arms = moment.tables.arms
    spec = plan_of(moment.experiment, arms.keys[row][2] or "")
    if burns_in(spec) and not arms.snapshots[row] and arms.base_offset[row] < 0:
        return np.nan
    return per_unit(moment.tables, row)


def _directed(experiment: ExperimentRow, metric: str) -> bool:
    return any(
        spec.name == metric and spec.direction != Direction.UNKNOWN for spec in experiment.metrics
    )


def _evidence(moment: PairMoment, row: int, verdict: Verdict) -> Evidence:
    """The numbers of one row at one moment. Where an interval cannot be given, low and high repeat
    the estimate.
    """
    arms, pairs, place = moment.tables.arms, moment.tables.pairs, moment.place
    harm, gain, _ = evidence_of(arms.records, pairs, row)
    one_of_parts = row != moment.row
    shown = (
        Interval(*interval_of(arms.records, pairs, row, 1.0)) if one_of_parts else moment.shown()
    )
    above = int(arms.control[row])
    estimate = _finite(shown.effect, 0.0)
    return Evidence(
        topic=place.topic,
        partition=place.partition,
        first_offset=int(min(arms.first_offset[row], arms.first_offset[above])),
        last_offset=place.offset,
        metric=moment.metric,
        segment=arms.keys[row][4],
        estimate=estimate,
        low=_finite(shown.low, estimate),
        high=_finite(shown.high, estimate),
        log_e=gain if verdict == Verdict.GAIN else harm,
        evidence_kind=EVIDENCE_KINDS[arms.method[row]],
        count=sum(moment.beside(row).units()),
        likely=None if verdict == Verdict.SPLIT else moment.beside(row).likely(),
    )


def _parts(moment: PairMoment) -> Iterator[tuple[str, int, int]]:
    """The segments that both arms had units in by then: label, control's row, the treatment's row;
    by label.
    """
    tables = moment.tables
    index = tables.index[tables.arms.experiment_no[moment.row]]
    groups = {
        segment: group
        for (name, segment, _), group in index.parts.items()
        if name == moment.metric and segment
    }
    for segment in sorted(groups):
        control = groups[segment].get(moment.experiment.control)
        treatment = groups[segment].get(moment.variant)
        if control is None or treatment is None:
            continue
        if tables.arms.count[control] and tables.arms.count[treatment]:
            yield segment, control, treatment


def _segments(moment: PairMoment, verdict: Verdict) -> tuple[Evidence, ...]:
    if moment.tables.arms.ramped[moment.row] or verdict == Verdict.SPLIT:
        # a segment's steps are not kept apart, and over all steps it would compare one time with
        # another
        return ()
    shown = [_evidence(moment, row, verdict) for _, _, row in _parts(moment)]
    return tuple(sorted(shown, key=lambda one: -one.count)[:SEGMENTS_SHOWN])


def _change(moment: PairMoment, estimate: float) -> Components | None:
    """What each segment adds to the effect; None where that cannot be said."""
    tables, sign = moment.tables, 1.0 if estimate > 0 else -1.0
    if tables.arms.ramped[moment.row]:
        return None
    parts = [
        Part(
            segment,
            judged_units(tables, control),
            total_of(tables, control) * sign,
            judged_units(tables, treatment),
            total_of(tables, treatment) * sign,
        )
        for segment, control, treatment in _parts(moment)
    ]
    return components([part for part in parts if part.count_before > 0 and part.count_during > 0])


def _added(moment: PairMoment, estimate: float) -> tuple[Added, ...]:
    change = _change(moment, estimate)
    return change.added if change is not None else ()


def _where(moment: PairMoment, estimate: float) -> str:
    """Whether the change sits within a segment, or in which segments each arm's units fell to."""
    change = _change(moment, estimate)
    if change is None:
        return ""
    if change.mix > change.within:
        return (
            "; it is mostly the mix of segments: the arms differ in their share of "
            f"{change.segment}"
        )
    return f"; most of it within segment {change.segment}"


def _describe(moment: PairMoment, proof: Evidence, verdict: Verdict, order: Order) -> str:
    """One sentence: what changed by how much, on how many units, how sure, and what follows."""
    arms, row = moment.tables.arms, moment.row
    name = (
        f"{moment.experiment.subject}/{moment.experiment.experiment_id}: treatment {moment.variant}"
    )
    c, t = moment.units()
    if verdict == Verdict.SPLIT:
        c, t = judged_units(moment.tables, moment.control), judged_units(moment.tables, row)
    unit = _unit(moment)
    sure = odds(proof.log_e, "e" if proof.evidence_kind == EvidenceKind.E_VALUE else "1/p")
    numbers = f"{grouped(t)} against {grouped(c)} {unit}"
    if verdict == Verdict.SPLIT:
        planned = float(arms.share[row])
        plan = "the ramp's steps planned" if arms.ramped[row] else f"{planned:.1%} was planned"
        return (
            f"{name} got {t / max(1, t + c):.1%} of the units where {plan} ({numbers}, {sure}): "
            "held"
        )
    rate = arms.tally[row] in (Tally.RATE, Tally.LATENCY)
    of, scale = (" points", 100.0) if rate else ("", 1.0)
    what = (
        f"requests above {arms['limit'][row]:.4g} in {proof.metric}"
        if arms.tally[row] == Tally.LATENCY
        else proof.metric
    )
    interval = f"interval {proof.low * scale:.3g} to {proof.high * scale:.3g}, {numbers}, {sure}"
    if verdict == Verdict.UNSTABLE:
        drifts = (
            f"the effect on {what} drifts, no single one lies in every interval so far ({interval})"
        )
        return (
            f"{name}: {drifts}: held, and never deployed by this experiment; a new one judges "
            "it afresh"
        )
    verb = "loses" if verdict == Verdict.HARM else "gains"
    if arms.sign[row] < 0:
        verb = "adds" if verdict == Verdict.HARM else "saves"
    size = f"{abs(proof.estimate) * scale:.3g}{of} of {what}"
    end = {Order.ROLLBACK: "roll back", Order.DEPLOY: "deploy"}.get(
        order
    ) or f"{_held(moment)}, proved"
    likely = "" if proof.likely is None else f"likely {abs(proof.likely) * scale:.3g}, "
    raw = moment.raw()
    without = "" if raw is None else f", {raw:.3g} without the covariate"
    return (
        f"{name} {verb} {size} ({likely}{interval}{without}{_cut_off(moment)})"
        f"{_where(moment, proof.estimate)}: {end} at the {nth(t + c)} {_one(unit)}"
    )


def _cut_off(moment: PairMoment) -> str:
    """What the cap of a mean leaves out, where that is worth a word."""
    cut = cut_off_of(moment.tables, moment.control, moment.row)
    cap = float(moment.tables.arms.cap[moment.row])
    return f", the cap {cap:.4g} cuts off {cut:.1%} of the sum" if cut >= WORTH_A_WORD else ""


def _held(moment: PairMoment) -> str:
    wanting = "; ".join(waits(moment))
    return "held until every guardrail is sound" + (f" ({wanting})" if wanting else "")


def _unit(moment: PairMoment) -> str:
    """What is counted: units, or records of which it is not known that they are of different
    units.
    """
    arms = moment.tables.arms
    if arms.snapshots[moment.row]:
        return "units"
    unnamed = bool((arms.unnamed_offset[[moment.row, moment.control]] >= 0).any())
    return "records taken as independent" if unnamed else "units"


def _one(unit: str) -> str:
    return "unit" if unit == "units" else "record"


def _finite(value: float, otherwise: float) -> float:
    return value if np.isfinite(value) else otherwise
