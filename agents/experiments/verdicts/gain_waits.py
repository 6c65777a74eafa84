"""What a proved gain waits for before it is deployed, and what would end the wait, in words for a
person.
"""

from collections.abc import Iterator
from math import ceil, isfinite, isnan, nan

from agents.core.phrasing import grouped, moment_of
from agents.core.policies import EXPOSURE
from agents.experiments.evidence.pair_evidence import agrees, evidence_of
from agents.experiments.evidence.pair_needs import (
    guardrail_bound,
    is_within,
    units_needed,
    units_to_be_sound,
)
from agents.experiments.evidence.pair_samples import fewest, has_enough, needed
from agents.experiments.plan.terms import Method, Tally, deployed, frozen_of
from agents.experiments.verdicts.deploy_conditions import is_early, ripe_at, unsent
from agents.experiments.verdicts.interactions import interactions_of
from agents.experiments.verdicts.pair_moment import PairMoment, judged_units
from schemas.records import MetricKind, MetricSpec, Role

NAMED = 5  # metrics; a sentence is read by a person


def waits(moment: PairMoment) -> list[str]:
    """A phrase for another treatment that is deployed, and for each judged metric that stands in
    the way at this moment, in the order of the experiment's terms.
    """
    found = [
        f"treatment {other} is deployed, and only its rollback ends this"
        for other in sorted(deployed(moment.experiment) - {moment.variant})
    ]
    if is_early(moment.experiment, moment.tables):
        found.append(
            "the policy deploys nothing before "
            f"{moment_of(ripe_at(moment.experiment, moment.tables))}"
        )
    found += [
        f"the policy asks for {metric}, of which control and treatment have no results yet"
        for metric in unsent(moment.experiment, moment.variant, moment.tables)
    ]
    found += [one.sentence() for one in interactions_of(moment.experiment, moment.tables)]
    found += [phrase for spec in _judged(moment) if (phrase := _wait(moment, spec)) is not None]
    more = [f"and {len(found) - NAMED} metrics more"] if len(found) > NAMED else []
    return found[:NAMED] + more


def _judged(moment: PairMoment) -> Iterator[MetricSpec]:
    """Those asked for: all of a spec, else those that have sent a result by then."""
    index = moment.tables.index[moment.tables.arms.experiment_no[moment.row]]
    for spec in moment.experiment.metrics:
        if spec.role not in (Role.GOAL, Role.GUARDRAIL) or spec.name == EXPOSURE:
            continue
        rows = list(index.arms.get(spec.name, {}).values())
        if moment.experiment.specified or rows:
            yield spec


def _wait(moment: PairMoment, spec: MetricSpec) -> str | None:
    index = moment.tables.index[moment.tables.arms.experiment_no[moment.row]]
    group = index.arms.get(spec.name, {})
    named = moment.experiment.control, moment.variant
    silent = [arm for arm in named if arm not in group]
    if silent:
        return f"{spec.name} has no result of {' and '.join(silent)} yet"
    one = moment.beside(group[moment.variant])
    silent = [arm for arm, units in zip(named, one.units(), strict=True) if units == 0]
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
    if arms.harm_offset[one.row] >= 0:
        return f"harm of {one.metric} is proved"
    if arms.unstable_offset[one.row] >= 0:
        return f"the effect on {one.metric} drifts, which only a new experiment ends"
    return None


def _lacks(one: PairMoment, spec: MetricSpec) -> str | None:
    arms, rows = one.tables.arms, one.tables.arms.records
    learns = spec.kind == MetricKind.MEAN or (
        spec.kind == MetricKind.LATENCY and spec.limit is None
    )
    if learns and not arms.snapshots[one.row] and frozen_of(one.experiment, spec.name) is None:
        return f"{spec.name} still learns from control's first units"
    if arms.method[one.row] == Method.COUNTS and arms.base_offset[one.row] < 0:
        return f"{spec.name} has too few units to tell which outcome is the rarer"
    if has_enough(rows, one.row):
        return None
    short = needed(rows, one.row) - fewest(rows, one.row)
    if short > 0:
        return f"{spec.name} lacks {grouped(ceil(short))} units in an arm"
    return (
        f"{spec.name} came without its sum_squares, so only a new experiment that sends them "
        "can judge it"
    )


def _no_gain(one: PairMoment) -> str | None:
    arms, pairs = one.tables.arms, one.tables.pairs
    harm, gain, _ = evidence_of(arms.records, pairs, one.row)
    proved = gain >= arms.gain_level[one.row] and arms.gain_offset[one.row] >= 0
    if proved and agrees(arms.records, pairs, one.row, False):
        return None
    better = one.shown().effect * arms.sign[one.row] > 0.0
    more = units_needed(arms.records, pairs, one.row, harm, gain) if better else nan
    return f"no gain of the goal {one.metric} is proved{_some(more) or ', and it looks no better'}"


def _unsound(one: PairMoment) -> str | None:
    arms, pairs = one.tables.arms, one.tables.pairs
    worst, looks, allowed = guardrail_bound(arms.records, pairs, one.row)
    if is_within(worst, allowed):
        return None
    if isnan(worst):
        return f"{one.metric} has no bound: no share of its units' arm is known"
    told = (
        f"{one.metric} may be worse by {_size(one, worst)} where "
        f"{'none' if allowed == 0.0 else _size(one, allowed)} is allowed"
    )
    if allowed == 0.0:
        return f"{told}: a new experiment that states its absolute_margin can end this"
    both = judged_units(one.tables, one.control) + judged_units(one.tables, one.row)
    more = _some(units_to_be_sound(worst, looks, allowed, float(both)))
    return told + (
        more or ": unless it comes to look better, only proved harm or a person ends this"
    )


def _some(units: float) -> str:
    return f", some {grouped(int(units))} more units as it looks" if isfinite(units) else ""


def _size(one: PairMoment, value: float) -> str:
    rate = one.tables.arms.tally[one.row] in (Tally.RATE, Tally.LATENCY)
    return f"{value * 100.0:.3g} points" if rate else f"{value:.3g}"
