"""What a proved gain waits for before it is deployed, and what would end the wait, in words for a
person.
"""

from collections.abc import Iterator

import numpy as np

from agents.core.phrasing import grouped
from agents.core.policies import EXPOSURE
from agents.experiments.evidence.assess import agrees, assess, enough
from agents.experiments.evidence.effect import expected_more
from agents.experiments.evidence.guardrails import bound, units_more
from agents.experiments.evidence.pair_moment import PairMoment
from agents.experiments.evidence.samples import fewest, judged, judged_control, needed
from agents.experiments.plan.terms import Method, Tally, frozen_of
from schemas.records import MetricKind, MetricSpec, Role, Verdict

NAMED = 5  # metrics; a sentence is read by a person


def waits(moment: PairMoment) -> list[str]:
    """A phrase for each judged metric that stands in the way at this moment, in the order of the
    experiment's terms.
    """
    found = [phrase for spec in _judged(moment) if (phrase := _wait(moment, spec)) is not None]
    more = [f"and {len(found) - NAMED} metrics more"] if len(found) > NAMED else []
    return found[:NAMED] + more


def _judged(moment: PairMoment) -> Iterator[MetricSpec]:
    """Those asked for: all of a spec, else those that have sent a result by then."""
    arms, index = (
        moment.tables.arms,
        moment.tables.index[moment.tables.arms.experiment_no[moment.row]],
    )
    for spec in moment.experiment.metrics:
        if spec.role not in (Role.GOAL, Role.GUARDRAIL) or spec.name == EXPOSURE:
            continue
        rows = list(index.arms.get(spec.name, {}).values())
        if moment.experiment.specified or (arms.first_offset[rows] <= moment.offset).any():
            yield spec


def _wait(moment: PairMoment, spec: MetricSpec) -> str | None:
    index = moment.tables.index[moment.tables.arms.experiment_no[moment.row]]
    group = index.arms.get(spec.name, {})
    named = moment.experiment.control, moment.variant
    silent = [arm for arm in named if arm not in group]
    if silent:
        return f"{spec.name} has no result of {' and '.join(silent)} yet"
    one = moment.beside(group[moment.variant])
    totals = one.sides.control, one.sides.treatment
    silent = [arm for arm, of in zip(named, totals, strict=True) if of.count[0] == 0]
    if silent:
        return f"{spec.name} has no result of {' and '.join(silent)} yet"
    return (
        _latched(one)
        or _lacks(one, spec)
        or (_no_gain(one) if spec.role == Role.GOAL else _unsound(one))
    )


def _latched(one: PairMoment) -> str | None:
    """What no further unit of this experiment mends."""
    arms = one.tables.arms
    if 0 <= arms.harm_offset[one.row] <= one.offset:
        return f"harm of {one.metric} is proved"
    if 0 <= arms.unstable_offset[one.row] <= one.offset:
        return f"the effect on {one.metric} drifts, which only a new experiment ends"
    return None


def _lacks(one: PairMoment, spec: MetricSpec) -> str | None:
    arms, sides = one.tables.arms, one.sides
    frozen = frozen_of(one.experiment, spec.name)
    learns = spec.kind == MetricKind.MEAN or (
        spec.kind == MetricKind.LATENCY and spec.limit is None
    )
    if learns and not arms.snapshots[one.row] and (frozen is None or frozen.offset > one.offset):
        return f"{spec.name} still learns from control's first units"
    begun = arms.base_offset[one.row]
    if arms.method[one.row] == Method.COUNTS and not 0 <= begun <= one.offset:
        return f"{spec.name} has too few units to tell which outcome is the rarer"
    if enough(arms, one.pairs, sides)[0]:
        return None
    short = needed(arms, one.pairs)[0] - fewest(arms, one.pairs, sides)[0]
    if short > 0:
        return f"{spec.name} lacks {grouped(int(np.ceil(short)))} units in an arm"
    return (
        f"{spec.name} came without its sum_squares, so only a new experiment that sends them "
        "can judge it"
    )


def _no_gain(one: PairMoment) -> str | None:
    arms, sides, offsets = one.tables.arms, one.sides, np.array([one.offset])
    evidence = assess(arms, one.pairs, offsets, sides)
    proved = (
        evidence.gain[0] >= arms.gain_level[one.row]
        and 0 <= arms.gain_offset[one.row] <= one.offset
    )
    if proved and agrees(arms, one.pairs, sides, Verdict.GAIN)[0]:
        return None
    better = one.effect().effect[0] * arms.sign[one.row] > 0.0
    more = expected_more(arms, one.pairs, sides, evidence)[0] if better else np.nan
    return f"no gain of the goal {one.metric} is proved{_some(more) or ', and it looks no better'}"


def _unsound(one: PairMoment) -> str | None:
    arms, sides = one.tables.arms, one.sides
    found = bound(arms, one.pairs, sides)
    if found.holds()[0]:
        return None
    if np.isnan(found.worst[0]):
        return f"{one.metric} has no bound: no share of its units' arm is known"
    worst, allowed = (_size(one, float(value[0])) for value in (found.worst, found.allowed))
    told = (
        f"{one.metric} may be worse by {worst} where "
        f"{'none' if found.allowed[0] == 0.0 else allowed} is allowed"
    )
    if found.allowed[0] == 0.0:
        return f"{told}: a new experiment that states its absolute_margin can end this"
    both = judged_control(arms, one.pairs, sides.control) + judged(arms, one.pairs, sides.treatment)
    more = _some(float(units_more(found, both)[0]))
    return told + (
        more or ": unless it comes to look better, only proved harm or a person ends this"
    )


def _some(units: float) -> str:
    return f", some {grouped(int(units))} more units as it looks" if np.isfinite(units) else ""


def _size(one: PairMoment, value: float) -> str:
    rate = one.tables.arms.tally[one.row] in (Tally.RATE, Tally.LATENCY)
    return f"{value * 100.0:.3g} points" if rate else f"{value:.3g}"
