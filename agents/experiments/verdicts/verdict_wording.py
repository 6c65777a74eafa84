"""The sentence that a person reads, and the numbers beside it: of the whole, and by segment to
explain it.
"""

from collections.abc import Iterator

import numpy as np

from agents.core.batch import Compared, Finding
from agents.core.kitagawa import Added, Components, Part, components
from agents.core.phrasing import grouped, nth, odds
from agents.core.policies import EXPOSURE
from agents.experiments.evidence.assess import assess
from agents.experiments.evidence.effect import effects
from agents.experiments.evidence.pair_moment import PairMoment
from agents.experiments.plan.terms import EVIDENCE_KINDS, Tally, burns_in, plan_of
from agents.experiments.totals.totals import Sides, Totals
from agents.experiments.verdicts.gain_waits import waits
from schemas.records import Direction, Evidence, EvidenceKind, ExperimentRow, Order, Verdict
from state.storage.table import row_key

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
    proof, harm = _evidence(moment, moment.row, moment.sides, verdict), verdict == Verdict.HARM
    target = experiment.baseline_version if harm else experiment.candidate_version
    named = f"|{row_key(moment.metric)}" if waiting or verdict == Verdict.UNSTABLE else ""
    return Finding(
        at=moment.record,
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
        units=int(moment.sides.treatment.count[0]),
        since=experiment.started_at,
    )


def _compared(moment: PairMoment) -> tuple[Compared, ...]:
    """Every metric that both arms had units of by then, the finding's own first."""
    tables, at = moment.tables, np.array([moment.record])
    index = tables.index[tables.arms.experiment_no[moment.row]]
    found = []
    for metric in sorted(index.arms, key=lambda name: (name != moment.metric, name)):
        control, treatment = (
            index.arms[metric].get(arm) for arm in (moment.experiment.control, moment.variant)
        )
        if metric == EXPOSURE or control is None or treatment is None:
            continue
        before, now = (
            _per_unit(moment, row, moment.after.at(tables, row, at)) for row in (control, treatment)
        )
        if np.isfinite(before) and np.isfinite(now):
            sign = (
                float(tables.arms.sign[treatment]) if _directed(moment.experiment, metric) else 0.0
            )
            found.append(Compared(metric, before, now, sign))
    return tuple(found)


def _per_unit(moment: PairMoment, row: int, totals: Totals) -> float:
    """NaN where no unit is judged yet."""
    arms = moment.tables.arms
    spec = plan_of(moment.experiment, arms.keys[row][2] or "")
    # What a burn-in left out is known once it is over, which a later record of this slice may have
    # been the first to tell.
    if (
        burns_in(spec)
        and not arms.snapshots[row]
        and not 0 <= arms.base_offset[row] <= moment.offset
    ):
        return np.nan
    counted = arms.tally[row] in (Tally.RATE, Tally.LATENCY)
    units = int(totals.count[0] - arms.base_count[row])
    return float((totals.hits if counted else totals.total)[0]) / units if units > 0 else np.nan


def _directed(experiment: ExperimentRow, metric: str) -> bool:
    return any(
        spec.name == metric and spec.direction != Direction.UNKNOWN for spec in experiment.metrics
    )


def _evidence(moment: PairMoment, row: int, sides: Sides, verdict: Verdict) -> Evidence:
    """The numbers of one row at one moment. Where an interval cannot be given, low and high repeat
    the estimate.
    """
    arms, facts = moment.tables.arms, moment.facts
    offset, pairs = int(facts.offsets[moment.record]), np.array([row])
    judged = assess(arms, pairs, np.array([offset]), sides)
    effect = moment.effect() if row == moment.row else effects(arms, pairs, sides)
    log_e = judged.gain[0] if verdict == Verdict.GAIN else judged.harm[0]
    above = int(arms.control[row])
    estimate = _finite(float(effect.effect[0]), 0.0)
    return Evidence(
        topic=facts.topic,
        partition=facts.partition,
        first_offset=int(min(arms.first_offset[row], arms.first_offset[above])),
        last_offset=offset,
        metric=moment.metric,
        segment=arms.keys[row][4],
        estimate=estimate,
        low=_finite(float(effect.low[0]), estimate),
        high=_finite(float(effect.high[0]), estimate),
        log_e=float(log_e),
        evidence_kind=EVIDENCE_KINDS[arms.method[row]],
        count=int(sides.control.count[0] + sides.treatment.count[0]),
    )


def _parts(moment: PairMoment) -> Iterator[tuple[str, int, Sides]]:
    """The segments that both arms had units in by then: label, the treatment's row, both arms; by
    label.
    """
    tables, at = moment.tables, np.array([moment.record])
    index = tables.index[tables.arms.experiment_no[moment.row]]
    groups = {
        segment: group
        for (name, segment, _), group in index.parts.items()
        if name == moment.metric and segment
    }
    for segment in sorted(groups):
        control = groups[segment].get(moment.experiment.control)
        treatment = groups[segment].get(moment.variant)
        if control is not None and treatment is not None:
            sides = Sides(
                moment.after.at(tables, control, at), moment.after.at(tables, treatment, at)
            )
            if sides.control.count[0] and sides.treatment.count[0]:
                yield segment, treatment, sides


def _segments(moment: PairMoment, verdict: Verdict) -> tuple[Evidence, ...]:
    if moment.tables.arms.ramped[moment.row] or verdict == Verdict.SPLIT:
        # a segment's steps are not kept apart, and over all steps it would compare one time with
        # another
        return ()
    shown = [_evidence(moment, row, sides, verdict) for _, row, sides in _parts(moment)]
    return tuple(sorted(shown, key=lambda one: -one.count)[:SEGMENTS_SHOWN])


def _change(moment: PairMoment, estimate: float) -> Components | None:
    """What each segment adds to the effect; None where that cannot be said."""
    arms, sign = moment.tables.arms, 1.0 if estimate > 0 else -1.0
    if arms.ramped[moment.row]:
        return None
    parts = []
    for segment, row, sides in _parts(moment):
        counted = arms.tally[row] in (Tally.RATE, Tally.LATENCY)
        sums = [
            float((totals.hits if counted else totals.total)[0]) * sign
            for totals in (sides.control, sides.treatment)
        ]
        base = arms.base_count[[arms.control[row], row]]
        units = int(sides.control.count[0] - base[0]), int(sides.treatment.count[0] - base[1])
        parts.append(Part(segment, units[0], sums[0], units[1], sums[1]))
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
    arms, row, sides = moment.tables.arms, moment.row, moment.sides
    name = (
        f"{moment.experiment.subject}/{moment.experiment.experiment_id}: treatment {moment.variant}"
    )
    t, c = int(sides.treatment.count[0]), int(sides.control.count[0])
    unit = _unit(moment, proof.last_offset)
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
    return (
        f"{name} {verb} {size} ({interval}){_where(moment, proof.estimate)}: {end} at the "
        f"{nth(t + c)} {_one(unit)}"
    )


def _held(moment: PairMoment) -> str:
    wanting = "; ".join(waits(moment))
    return "held until every guardrail is sound" + (f" ({wanting})" if wanting else "")


def _unit(moment: PairMoment, offset: int) -> str:
    """What is counted: units, or records of which it is not known that they are of different
    units.
    """
    arms = moment.tables.arms
    if arms.snapshots[moment.row]:
        return "units"
    first = arms.unnamed_offset[[moment.row, arms.control[moment.row]]]
    unnamed = bool(((first >= 0) & (first <= offset)).any())
    return "records taken as independent" if unnamed else "units"


def _one(unit: str) -> str:
    return "unit" if unit == "units" else "record"


def _finite(value: float, otherwise: float) -> float:
    return value if np.isfinite(value) else otherwise
