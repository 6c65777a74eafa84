"""Looks at the split of an experiment as time passes: lets one go that is as planned again, and
tests all arms at once, where each may differ from control by less than a test of two arms finds.
"""

from math import copysign, log

from agents.core.batch import Finding
from agents.core.phrasing import grouped, odds
from agents.core.policies import EXPOSURE
from agents.core.provenance import Provenance
from agents.experiments.arms.arms import doubt, relevel, restart_split, set_waiting
from agents.experiments.plan.terms import SPLIT_LEVEL, moved, ramped
from agents.experiments.verdicts.split_hold import after_window, held_for_split
from agents.statistics.multinomial import SPLIT_CONCENTRATION
from agents.statistics.special import log_gamma
from schemas.records import ExperimentRow, Order, Verdict
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key

_ARMS_LEAST = 3  # two are compared with each record


def look_at_split(
    experiment: ExperimentRow, place: Provenance, tables: ExperimentTables
) -> tuple[ExperimentRow, list[Finding]]:
    """(the row after a look at its split, what is said of it)."""
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    if number is None:
        return experiment, []
    if experiment.split_window:
        experiment, is_sound = after_window(experiment, tables)
        if not is_sound:
            return experiment, []
        restart_split(tables, number)
        said, rule = "the split of the last units is as planned: judged again", "as planned"
    elif experiment.split_offset >= 0 or ramped(experiment) or moved(experiment):
        return experiment, []
    else:
        units = _units(experiment, number, tables)
        ahead = max((int(tables.arms.largest[row]) - 1 for row in _rows(number, tables)), default=0)
        log_e = _log_e_of_all(experiment, units, ahead)
        if log_e < SPLIT_LEVEL:
            return experiment, []
        offset = max(int(row) for row in tables.arms.applied_offset[_rows(number, tables)])
        experiment = held_for_split(experiment, offset, tables)
        got = ", ".join(f"{name} {grouped(count)}" for name, count in units.items())
        said = f"the arms' units are not split as planned ({got}, {odds(log_e, 'e')}): held"
        rule = "of all arms"
    relevel(tables, experiment)
    set_waiting(tables, number)
    doubt(tables, number)
    return experiment, [_finding(experiment, place, said, f"sample ratio {rule}")]


def _rows(number: int, tables: ExperimentTables) -> list[int]:
    return list(tables.index[number].arms.get(EXPOSURE, {}).values())


def _units(experiment: ExperimentRow, number: int, tables: ExperimentTables) -> dict[str, int]:
    """Units of each arm whose share is stated, control first; of those since all have come."""
    arms, group = tables.arms, tables.index[number].arms.get(EXPOSURE, {})
    named = [experiment.control, *sorted(group.keys() - {experiment.control})]
    planned = _shares(experiment)
    return {
        name: int(arms.count[group[name]] - arms.base_count[group[name]])
        for name in named
        if name in group and planned.get(name, 0.0) > 0.0
    }


def _shares(experiment: ExperimentRow) -> dict[str, float]:
    steps = experiment.share_steps
    return {share.variant: share.share for share in steps[0].shares} if steps else {}


def _log_e_of_all(experiment: ExperimentRow, units: dict[str, int], ahead: int) -> float:
    """log e that the arms' units are not split as planned, against all splits with a Dirichlet
    prior around the plan (Lindon and Malek, "Anytime-valid inference for multinomial count data",
    NeurIPS 2022); 0 where fewer than three arms have come. ahead: units by which an arm may be off
    because the others add theirs up.
    """
    if len(units) < _ARMS_LEAST:
        return 0.0
    planned = _shares(experiment)
    whole = sum(planned[name] for name in units)
    total, k = sum(units.values()), SPLIT_CONCENTRATION
    log_e = log_gamma(k) - log_gamma(k + total)
    for name, sent in units.items():
        share = planned[name] / whole
        excess = sent - total * share
        count = total * share + copysign(max(0.0, abs(excess) - ahead), excess)
        log_e += log_gamma(k * share + count) - log_gamma(k * share) - count * log(share)
    return log_e


def _finding(experiment: ExperimentRow, place: Provenance, said: str, rule: str) -> Finding:
    name = f"{experiment.subject}/{experiment.experiment_id}"
    return Finding(
        at=0,
        agent="judge",
        ordinal=f"{experiment.experiment_id}|{rule}|{place.offset}",
        verdict=Verdict.SPLIT,
        order=Order.NONE,
        subject=experiment.subject,
        metric=EXPOSURE,
        rule=rule,
        reason=f"{name}: {said}",
        evidence=(),
        experiment_id=experiment.experiment_id,
    )
