"""Decides an experiment with something proved: rollback at the first event that proves harm, deploy
at the first that proves a gain with every guardrail sound, hold when the split is broken; a gain
that must wait and an effect that drifts are said once.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from agents.core.batch import Finding
from agents.core.policies import EXPOSURE
from agents.core.provenance import Provenance
from agents.experiments.arms.arms import compared_with, doubt, relevel, set_waiting
from agents.experiments.evidence.look import is_judged
from agents.experiments.evidence.pair_evidence import agrees, evidence_reaching
from agents.experiments.evidence.pair_needs import is_sound
from agents.experiments.plan.frozen_plan import hasten
from agents.experiments.plan.terms import NEVER, Method, deployed, moved
from agents.experiments.verdicts.deploy_conditions import is_early, unsent
from agents.experiments.verdicts.discovery_refunds import discover
from agents.experiments.verdicts.interactions import interactions_of
from agents.experiments.verdicts.pair_moment import PairMoment
from agents.experiments.verdicts.split_hold import held_for_split
from agents.experiments.verdicts.verdict_wording import finding_of
from schemas.records import Decided, ExperimentRow, MetricSpec, Order, Role, Verdict
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import ExperimentTables


@dataclass(frozen=True, slots=True)
class _Case:
    """One experiment after one record; looked: the pairs that this record gave evidence of."""

    place: Provenance
    tables: ExperimentTables
    experiment: ExperimentRow
    index: ExperimentArms
    looked: Collection[int]

    def moment(self, row: int) -> PairMoment:
        return PairMoment(self.place, self.tables, self.experiment, row)

    def is_new(self, offset: int) -> bool:
        """Whether something was proved by this record."""
        return offset == self.place.offset


def decide(
    place: Provenance, tables: ExperimentTables, number: int, looked: Collection[int]
) -> list[Finding]:
    """What a record proves of an experiment, in the order of its treatments; closes what each
    decides.

    number: of the experiment in its index. looked: the pairs of which the record is evidence.
    """
    index = tables.index[number]
    experiment = tables.experiments.get(index.key)
    assert experiment is not None
    case = _Case(place, tables, experiment, index, looked)
    candidates = [
        finding for variant in _judged(experiment, index) for finding in _candidates(case, variant)
    ]
    experiment, findings, held = _applied(case, _best_first(case, candidates))
    if findings:
        tables.experiments.put(experiment)
    if held:
        relevel(tables, experiment)
        hasten(tables, number, place.now)
    ordered = [finding for finding in findings if finding.order != Order.NONE]
    for finding in ordered:
        if finding.order == Order.DEPLOY:
            _watch(tables, experiment, index, finding.variant or "")
    set_waiting(tables, number)
    if ordered:
        doubt(tables, number)
    return findings


def _applied(
    case: _Case, candidates: list[Finding]
) -> tuple[ExperimentRow, list[Finding], set[str]]:
    """(the experiment after those findings that stand beside those before them, these, the
    treatments held because its split is broken).
    """
    experiment, findings = case.experiment, list[Finding]()
    closed, held = set[str](), set[str]()
    for finding in candidates:
        variant = finding.variant or ""
        if variant in closed or (variant in held and finding.verdict != Verdict.HARM):
            continue
        if finding.order == Order.DEPLOY and deployed(experiment) - {variant}:
            finding = _deferred(replace(case, experiment=experiment), finding)
        if finding.verdict == Verdict.SPLIT:
            experiment = held_for_split(experiment, case.place.offset, case.tables)
            held |= set(_judged(experiment, case.index)) - moved(experiment)
        elif finding.order != Order.NONE:
            experiment = _settled(experiment, finding, case.place.offset, case.tables)
            asks = next(done.asks for done in experiment.decided if done.variant == variant)
            finding = replace(finding, asks=asks)
            closed |= _close(case.tables, case.index, {variant})
        findings.append(finding)
    return experiment, findings, held


def _best_first(case: _Case, candidates: list[Finding]) -> list[Finding]:
    """The findings with the deployment of the treatment that gains most before those of others, for
    only one is deployed.
    """
    deploys = [one for one in candidates if one.order == Order.DEPLOY]
    if len(deploys) < 2:
        return candidates
    best = max(deploys, key=lambda one: _gain_of(case, one))
    return sorted(candidates, key=lambda one: one.order == Order.DEPLOY and one is not best)


def _gain_of(case: _Case, finding: Finding) -> float:
    """How much better the treatment looks in the goal that the finding rests on."""
    row = _row_of(case, finding)
    return case.moment(row).shown().effect * float(case.tables.arms.sign[row])


def _deferred(case: _Case, finding: Finding) -> Finding:
    """A gain that is not deployed, because another treatment is."""
    return finding_of(case.moment(_row_of(case, finding)), Verdict.GAIN, Order.NONE)


def _row_of(case: _Case, finding: Finding) -> int:
    return case.index.arms[finding.metric][finding.variant or ""]


def pairs_of(tables: ExperimentTables, row: int) -> list[int]:
    """The pairs of which a result of this row is evidence, and of which something may be proved:
    the treatments' rows, ascending.
    """
    arms = tables.arms
    pairs = [row] if arms.control[row] >= 0 else compared_with(tables, row)
    return [
        pair for pair in pairs if arms.method[pair] != Method.NONE and is_judged(arms.records, pair)
    ]


def _settled(
    experiment: ExperimentRow, finding: Finding, offset: int, tables: ExperimentTables
) -> ExperimentRow:
    """The experiment after an order, in the place of what was decided of the treatment before."""
    variant, deploys = finding.variant or "", finding.order == Order.DEPLOY
    before = next((done for done in experiment.decided if done.variant == variant), None)
    proof = finding.evidence[0]
    done = Decided(
        variant,
        finding.order,
        offset,
        moved=variant in moved(experiment),
        metric=finding.metric,
        effect=proof.estimate,
        likely=proof.likely,
    )
    if before is not None and before.order == finding.order:
        done = replace(done, tries=before.tries, asks=before.asks)
    known = experiment.discovered or any(one.order == Order.DEPLOY for one in experiment.decided)
    if deploys and not known:
        discover(experiment, variant, tables)
    others = tuple(one for one in experiment.decided if one.variant != variant)
    return replace(experiment, decided=(*others, done), discovered=known or deploys)


def _watch(
    tables: ExperimentTables, experiment: ExperimentRow, index: ExperimentArms, variant: str
) -> None:
    """What was deployed is looked at from here on as it is watched since: for harm alone."""
    relevel(tables, experiment)
    rows = np.array(_rows(index, {variant}), np.int64)
    tables.arms.next_mark[rows[np.isfinite(tables.arms.harm_level[rows])]] = 0


def _rows(index: ExperimentArms, variants: set[str] | None) -> list[int]:
    """The rows of these treatments as a whole, or of all arms."""
    named = (pair for group in index.arms.values() for pair in group.items())
    return [row for variant, row in named if variants is None or variant in variants]


def _candidates(case: _Case, variant: str) -> Iterator[Finding]:
    """What the record would show of a treatment, each as if the others were not."""
    pairs = _open_pairs(case, variant)
    watched = variant in deployed(case.experiment)
    if any(row in case.looked for row in pairs.values()):
        ends = _rollback(case, pairs)
        if ends is None and not watched:
            ends = _deploy(case, variant, pairs)
        if ends is not None:
            yield ends
        gone = ends is not None and ends.verdict == Verdict.GAIN
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


def _open_pairs(case: _Case, variant: str) -> dict[str, int]:
    """The rows of a treatment that may command, by metric, in the order in which they came."""
    arms = case.tables.arms
    rows = {metric: group[variant] for metric, group in case.index.arms.items() if variant in group}
    return {
        metric: row
        for metric, row in rows.items()
        if np.isfinite(arms.harm_level[row])
        and arms.method[row] != Method.SPLIT
        and arms.control[row] >= 0
    }


def _rollback(case: _Case, pairs: dict[str, int]) -> Finding | None:
    harm_offset = case.tables.arms.harm_offset
    for row in pairs.values():
        if row in case.looked and harm_offset[row] >= 0:
            return finding_of(case.moment(row), Verdict.HARM, Order.ROLLBACK)
    return None


_FOUND = (("gain_offset", Verdict.GAIN), ("unstable_offset", Verdict.UNSTABLE))


def _asides(
    case: _Case, pairs: dict[str, int], deployed_now: bool, found: tuple[tuple[str, Verdict], ...]
) -> Iterator[Finding]:
    """A gain proved here that is not deployed at once, and an effect that began to drift here:
    nothing is ordered.
    """
    for row in pairs.values():
        for column, verdict in found:
            if case.is_new(case.tables.arms[column][row]) and not deployed_now:
                yield finding_of(case.moment(row), verdict, Order.NONE)


def _deploy(case: _Case, variant: str, pairs: dict[str, int]) -> Finding | None:
    if deployed(case.experiment) - {variant}:
        return None  # the worse of two would end in service
    if is_early(case.experiment, case.tables) or unsent(case.experiment, variant, case.tables):
        return None
    gain_offset = case.tables.arms.gain_offset
    judged = [
        spec
        for spec in case.experiment.metrics
        if spec.role in (Role.GOAL, Role.GUARDRAIL) and spec.name != EXPOSURE
    ]
    goals = [pairs[spec.name] for spec in judged if spec.role == Role.GOAL and spec.name in pairs]
    proved = [row for row in goals if gain_offset[row] >= 0]
    if not proved or not any(_is_gained(case, row) for row in proved):
        return None
    if not all(
        _supports(case, spec, pairs.get(spec.name)) for spec in judged if _counts(case, spec)
    ):
        return None
    if interactions_of(case.experiment, case.tables):
        number = int(case.tables.arms.experiment_no[proved[0]])
        hasten(case.tables, number, case.place.now)  # it is said by the next look
        return None
    return finding_of(
        case.moment(max(proved, key=lambda row: gain_offset[row])), Verdict.GAIN, Order.DEPLOY
    )


def _counts(case: _Case, spec: MetricSpec) -> bool:
    """Whether a metric counts yet: without a spec from its first result, whichever arm sent it."""
    if case.experiment.specified:
        return True
    return spec.name in case.index.arms


def _supports(case: _Case, spec: MetricSpec, row: int | None) -> bool:
    """Whether a goal's gain is proved, or a guardrail sound; not without data."""
    if row is None:
        return False
    arms = case.tables.arms
    if arms.harm_offset[row] >= 0 or arms.unstable_offset[row] >= 0:
        return False
    if spec.role == Role.GOAL:
        return _is_gained(case, row)
    return bool(is_sound(arms.records, case.tables.pairs, row))


def _is_gained(case: _Case, row: int) -> bool:
    """Whether a gain is proved, and still stands: what was proved once may have faded since, and
    nothing is deployed whose interval holds 0 by then.
    """
    arms, steps = case.tables.arms, case.tables.pairs
    if arms.gain_offset[row] < 0:
        return False
    _, gain, _ = evidence_reaching(arms.records, steps, row)
    return bool(gain >= arms.gain_level[row] and agrees(arms.records, steps, row, False))


def _hold(case: _Case, variant: str) -> Iterator[Finding]:
    """The finding that a treatment's split is broken, if it is."""
    row = case.index.arms.get(EXPOSURE, {}).get(variant)
    if row is not None and row in case.looked and case.is_new(case.tables.arms.harm_offset[row]):
        yield finding_of(case.moment(row), Verdict.SPLIT, Order.NONE)


def _close(tables: ExperimentTables, index: ExperimentArms, variants: set[str]) -> set[str]:
    """Judges these treatments no more; returns them."""
    rows = _rows(index, variants)
    tables.arms.harm_level[rows] = NEVER
    tables.arms.gain_level[rows] = NEVER
    return variants
