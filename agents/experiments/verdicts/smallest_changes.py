"""The smallest changes with which a verdict would have been another one: so many more good or bad
units of the treatment, another setting of the spec or the policy.

Nothing is worked out by a formula of its own. Totals, blocks and terms are changed, the functions
that decide are asked again, and everything is put back as it stood.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil, exp, floor, isfinite, log, log10

from agents.core.phrasing import grouped
from agents.experiments.arms.arms import relevel
from agents.experiments.evidence.blocks import close_block, margin_of, terms_of
from agents.experiments.evidence.pair_evidence import agrees, evidence_of
from agents.experiments.evidence.pair_needs import guardrail_bound, is_sound
from agents.experiments.evidence.pair_samples import fewest, has_enough
from agents.experiments.plan.derived_columns import OF_ARM, Reading
from agents.experiments.plan.terms import SPLIT_LEVEL, Method, Tally
from agents.experiments.verdicts.pair_moment import per_unit
from schemas.records import Decision, ExperimentRow, MetricSpec, Order, Role, Verdict
from state.experiment_arms import ExperimentArms
from state.pairs.pair_blocks import (
    CONTROL_SUM,
    CONTROL_UNITS,
    NO_BLOCKS,
    TREATMENT_SUM,
    TREATMENT_UNITS,
)
from state.partition.experiment_tables import ExperimentTables
from state.row_expiry import DAY_MS
from state.storage.table import row_key

MOST_UNITS = 1 << 24  # further away nobody looks
HALVINGS = 40
_ALPHA_LEAST, _MARGIN_LEAST, _MARGIN_MOST = 1e-12, 1e-9, 1e6
_IN_BLOCKS = (Method.RATES_IN_BLOCKS, Method.MEANS_IN_BLOCKS)


class Kind(StrEnum):
    """What would have to be otherwise."""

    UNITS = "UNITS"  # how many more units of the treatment
    SETTING = "SETTING"  # of the spec, or of the policy where there is none


@dataclass(frozen=True, slots=True)
class SmallestChange:
    """One change that gives another verdict. name: what changes; value: to what, or how many units
    more; now: what a setting is; then: what there would have been; phrase: in words.
    """

    kind: Kind
    name: str
    value: float
    now: float | None
    then: str
    phrase: str


@dataclass(frozen=True, slots=True)
class _JudgedPair:
    """A pair as the rows stood right after the record that decided; row: the treatment's."""

    tables: ExperimentTables
    experiment: ExperimentRow
    index: ExperimentArms
    row: int
    harm: bool

    @property
    def control(self) -> int:
        return int(self.tables.arms.control[self.row])

    def evidence(self) -> float:
        harm, gain, _ = evidence_of(self.tables.arms.records, self.tables.pairs, self.row)
        return float(harm if self.harm else gain)

    def level(self, experiment: ExperimentRow) -> float:
        """That of harm or gain by these terms."""
        variant, metric = self._names()
        terms = Reading(experiment).of_arm(metric, variant, None)
        of_arm = dict(zip(OF_ARM, terms, strict=True))
        return float(of_arm["harm_level" if self.harm else "gain_level"])

    def proved(self) -> bool:
        """Whether the verdict would be proved by the rows as they stand."""
        rows, pairs = self.tables.arms.records, self.tables.pairs
        early = self.harm and self.tables.arms.method[self.row] == Method.RATES_IN_BLOCKS
        if not early and not has_enough(rows, self.row):
            return False
        reached = self.evidence() >= self.level(self.experiment)
        return bool(reached and agrees(rows, pairs, self.row, self.harm))

    def sound(self) -> bool:
        """Whether it is a guardrail that is sound by the rows as they stand."""
        return bool(is_sound(self.tables.arms.records, self.tables.pairs, self.row))

    def _names(self) -> tuple[str, str]:
        _, _, metric, variant, _, _ = self.tables.arms.keys[self.row]
        return variant or "", metric or ""


def smallest_changes(decision: Decision, tables: ExperimentTables) -> list[SmallestChange]:
    """What would have given another verdict than that of a decision on an experiment, if the rows
    stand as they did right after it; nothing where no number decides.
    """
    key = row_key(decision.subject, decision.experiment_id or "")
    experiment = tables.experiments.get(key)
    if experiment is None:
        return []
    # As it was judged before anything was decided of the treatment, or held.
    others = tuple(one for one in experiment.decided if one.variant != decision.variant)
    before = replace(experiment, decided=others, split_offset=-1)
    relevel(tables, before)
    try:
        return _changes(decision, before, tables)
    finally:
        relevel(tables, experiment)


def _changes(
    decision: Decision, experiment: ExperimentRow, tables: ExperimentTables
) -> list[SmallestChange]:
    case = _case_of(decision, experiment, tables)
    if case is None:
        return []
    if decision.verdict == Verdict.SPLIT:
        return list(_planned_share(case))
    if decision.verdict == Verdict.GAIN and decision.order == Order.NONE:
        return list(_guardrails(case))
    if decision.verdict not in (Verdict.HARM, Verdict.GAIN) or not case.proved():
        return []
    then = "no harm proved" if case.harm else "no gain proved"
    found = [*_units(case, lambda: not case.proved(), then), *_alpha(case)]
    if decision.order == Order.DEPLOY:
        found += [_min_count(case), *_days(case, decision)]
    return found


def _case_of(
    decision: Decision, experiment: ExperimentRow, tables: ExperimentTables
) -> _JudgedPair | None:
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    if number is None:
        return None
    index = tables.index[number]
    row = index.arms.get(decision.metric, {}).get(decision.variant or "")
    is_split = decision.verdict == Verdict.SPLIT
    if row is None or tables.arms.control[row] < 0:
        return None
    if (tables.arms.method[row] == Method.SPLIT) != is_split:
        return None
    return _JudgedPair(tables, experiment, index, row, decision.verdict != Verdict.GAIN)


def _units(case: _JudgedPair, is_other: Callable[[], bool], then: str) -> Iterator[SmallestChange]:
    """How many more units of the treatment that speak against the verdict it takes, each beside as
    many of control as it had so far, at control's value.
    """
    arms = case.tables.arms
    if arms.ramped[case.row]:
        return  # which step they would be of is not known
    rate = arms.tally[case.row] in (Tally.RATE, Tally.LATENCY)
    hit = float(case.harm == bool(arms.sign[case.row] > 0))
    value = hit if rate else per_unit(case.tables, case.control)
    if not isfinite(value):
        return

    def with_more(more: int) -> bool:
        with _more_units(case, more, value):
            return is_other()

    more = _fewest(with_more)
    if more is None:
        return
    kind = ("good units" if case.harm else "bad units") if rate else "units at control's value"
    told = kind if more > 1 else kind.replace("units", "unit")
    _, _, metric, variant, _, _ = arms.keys[case.row]
    yield SmallestChange(
        Kind.UNITS,
        kind,
        float(more),
        None,
        then,
        f"{grouped(more)} more {told} of {variant} in {metric}, with control as before",
    )


@contextmanager
def _more_units(case: _JudgedPair, more: int, value: float) -> Iterator[None]:
    """The rows with so many units more of the treatment, each of this value, and control's in
    proportion.
    """
    arms, row, control = case.tables.arms, case.row, case.control
    blocks, slot = arms.blocks.values, int(arms.block_slot[case.row])
    kept = arms.records[[row, control]].copy()
    kept_blocks = blocks[slot].copy()
    beside = max(1, round(more * int(arms.count[control]) / max(1, int(arms.count[row]))))
    own = per_unit(case.tables, control) * beside
    own = float(round(own)) if arms.tally[row] != Tally.MEAN else own
    try:
        _add(case, row, more, value * more, value)
        _add(case, control, beside, own, own / beside)
        if arms.method[row] in _IN_BLOCKS and slot != NO_BLOCKS:
            for column, added in (
                (TREATMENT_UNITS, more),
                (TREATMENT_SUM, value * more),
                (CONTROL_UNITS, beside),
                (CONTROL_SUM, own),
            ):
                blocks[slot, column] += added
            close_block(blocks, slot, terms_of(arms.records, row))
        yield
    finally:
        arms.records[[row, control]] = kept
        blocks[slot] = kept_blocks


def _add(case: _JudgedPair, row: int, units: int, total: float, each: float) -> None:
    arms = case.tables.arms
    arms.count[row] += units
    if arms.tally[row] == Tally.MEAN:
        arms.sum[row] += total
        arms.sum_squares[row] += each * total
    else:
        arms.hits[row] += round(total)
        arms.sum[row] += total
        arms.sum_squares[row] += total


def _fewest(is_other: Callable[[int], bool]) -> int | None:
    """The least number with which it is another verdict, where more do not undo it."""
    most = 1
    while not is_other(most):
        most *= 2
        if most > MOST_UNITS:
            return None
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if is_other(middle) else (middle, most)
    return most


def _alpha(case: _JudgedPair) -> Iterator[SmallestChange]:
    """The largest alpha with which the evidence would not have reached its level."""
    evidence, now = case.evidence(), case.experiment.alpha

    def is_other(alpha: float) -> bool:
        return case.level(replace(case.experiment, alpha=alpha)) > evidence

    if not is_other(_ALPHA_LEAST):
        return
    value = _turning(is_other, _ALPHA_LEAST, now)
    what = "harm" if case.harm else "gain"
    told = _rounded_down(value)
    yield SmallestChange(
        Kind.SETTING,
        "alpha",
        told,
        now,
        f"no {what} proved",
        f"an alpha of at most {told:g} instead of {now:g}, for the evidence of {what} was "
        f"{exp(min(evidence, 700.0)):.3g} where {exp(case.level(case.experiment)):.3g} proves it",
    )


def _turning(is_other: Callable[[float], bool], other: float, same: float) -> float:
    """The value nearest to `same` with which it is another verdict, on the scale of logarithms."""
    a, b = log(other), log(same)
    for _ in range(HALVINGS):
        middle = 0.5 * (a + b)
        a, b = (middle, b) if is_other(exp(middle)) else (a, middle)
    return exp(a)


def _rounded_down(value: float) -> float:
    """Three digits that are not more than the value."""
    size = 10.0 ** (floor(log10(value)) - 2)
    return float(f"{floor(value / size) * size:.12g}")


def _min_count(case: _JudgedPair) -> SmallestChange:
    units = int(fewest(case.tables.arms.records, case.row))
    return SmallestChange(
        Kind.SETTING,
        "min_count",
        float(units + 1),
        float(case.experiment.min_count),
        "a gain that waits",
        f"a min_count above {grouped(units)}",
    )


def _days(case: _JudgedPair, decision: Decision) -> Iterator[SmallestChange]:
    """Whole days that the policy could have asked for."""
    begun = case.experiment.begun_at
    if begun >= 0:
        days = (decision.decided_at - begun) // DAY_MS + 1
        yield SmallestChange(
            Kind.SETTING,
            "deploy_after_days",
            float(days),
            None,
            "a gain that waits",
            f"a policy with deploy_after_days of {days} or more",
        )


def _guardrails(case: _JudgedPair) -> Iterator[SmallestChange]:
    """With what each guardrail would be sound that a gain waits for: more good units, and the least
    margin.
    """
    arms, pairs = case.tables.arms, case.tables.pairs
    variant = arms.keys[case.row][3] or ""
    for spec in case.experiment.metrics:
        row = case.index.arms.get(spec.name, {}).get(variant)
        if spec.role != Role.GUARDRAIL or row is None or arms.control[row] < 0:
            continue
        if not is_sound(arms.records, pairs, row):
            one = replace(case, row=row, harm=True)
            yield from _units(one, one.sound, f"{spec.name} sound")
            yield from _absolute_margin(one, spec)
            if not margin_of(arms.records, row).absolute > 0.0:
                yield from _margin(one, spec)


def _absolute_margin(case: _JudgedPair, spec: MetricSpec) -> Iterator[SmallestChange]:
    """How much worse it may be; a rate in blocks is tested by its margin as units come, so another
    would be kept after about as many.
    """
    arms, kept = case.tables.arms, spec.absolute_margin
    worst, _, _ = guardrail_bound(arms.records, case.tables.pairs, case.row)
    is_share = arms.tally[case.row] in (Tally.RATE, Tally.LATENCY)
    if 0.0 < worst < (1.0 if is_share else float("inf")):
        told, name = _rounded_up(worst), f"absolute_margin of {spec.name}"
        stated = "none" if kept is None else f"{kept:g}"
        phrase = f"an absolute_margin of some {told:g} for {spec.name} instead of {stated}"
        yield SmallestChange(Kind.SETTING, name, told, kept, f"{spec.name} sound", phrase)


def _margin(case: _JudgedPair, spec: MetricSpec) -> Iterator[SmallestChange]:
    arms, row = case.tables.arms, case.row
    kept = float(arms.margin[row])

    def is_other(margin: float) -> bool:
        arms.margin[row] = margin
        return case.sound()

    try:
        if not is_other(_MARGIN_MOST):
            return
        value = _turning(is_other, _MARGIN_MOST, max(kept, _MARGIN_LEAST))
    finally:
        arms.margin[row] = kept
    told = _rounded_up(value)
    yield SmallestChange(
        Kind.SETTING,
        f"margin of {spec.name}",
        told,
        spec.margin,
        f"{spec.name} sound",
        f"a margin of {told:g} for {spec.name} instead of {spec.margin:g}",
    )


def _planned_share(case: _JudgedPair) -> Iterator[SmallestChange]:
    """The planned share nearest to the one stated with which the split would not be broken."""
    arms, row = case.tables.arms, case.row
    stated = float(arms.share[row])
    units = [float(arms.count[one] - arms.base_count[one]) for one in (row, case.control)]
    if arms.ramped[row] or not sum(units) > 0.0:
        return

    def is_other(share: float) -> bool:
        arms.share[row] = share
        return case.evidence() < SPLIT_LEVEL

    try:
        observed = units[0] / sum(units)
        if not is_other(observed):
            return
        value = _turning(is_other, observed, stated)
    finally:
        arms.share[row] = stated
    told = _rounded_up(value) if value > stated else _rounded_down(value)
    yield SmallestChange(
        Kind.SETTING,
        "share",
        told,
        stated,
        "a split as planned",
        f"a planned share of {told:g} of {arms.keys[row][3]} instead of {stated:g}",
    )


def _rounded_up(value: float) -> float:
    size = 10.0 ** (floor(log10(value)) - 2)
    return float(f"{ceil(value / size) * size:.12g}")
