"""Looks after every event: latches what is proved where it is first proved, and has it decided."""

from dataclasses import replace

import numpy as np

from agents.core.batch import Facts, Finding, Ints
from agents.experiments.arms.arms import relevel
from agents.experiments.evidence.assess import agrees, assess
from agents.experiments.evidence.evidence_start import choose_outcomes, take_back_outcomes
from agents.experiments.evidence.looks import Looks, take
from agents.experiments.evidence.ramp_steps import with_strata
from agents.experiments.evidence.running_interval import narrow
from agents.experiments.totals.running_totals import Running
from agents.experiments.totals.totals import Flags, Sides
from agents.experiments.verdicts.decide import decide
from schemas.records import Order, Verdict
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key


def look(facts: Facts, tables: ExperimentTables, after: Running, looks: Looks) -> list[Finding]:
    """Evidence after every event of every pair that may still command; findings in the order of the
    log.

    What is deployed by a finding is looked at from there on as it is watched since, for its looks
    so far were at what had no order yet.
    """
    findings, rest, came = list[Finding](), looks, None
    while len(rest.pairs):
        found = _look(facts, tables, after, rest, came)
        findings += found
        rest, came = _watched(
            facts, tables, looks, [one for one in found if one.order == Order.DEPLOY]
        )
        # Of what the steps of a ramp come to, another part counts by now.
        sides = with_strata(
            tables, rest.pairs, Sides(rest.sides.control, rest.sides.treatment), rest.records, after
        )
        rest = replace(rest, sides=sides)
    return sorted(findings, key=lambda finding: finding.at)


def _watched(
    facts: Facts, tables: ExperimentTables, looks: Looks, deploys: list[Finding]
) -> tuple[Looks, Ints]:
    """The looks at what was deployed, from its deployment on, and the units of both arms before
    each first one.
    """
    arms, n = tables.arms, looks.sides.control.count + looks.sides.treatment.count
    at, came = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for finding in deploys:
        experiment = tables.experiments.get(row_key(finding.subject, finding.experiment_id))
        assert experiment is not None
        relevel(tables, experiment)
        trial = tables.index.number(row_key(finding.subject, finding.experiment_id))
        assert trial is not None, "a treatment without rows was deployed"
        rows = [
            group[finding.variant]
            for group in tables.index[trial].arms.values()
            if finding.variant in group
        ]
        for row in sorted(row for row in rows if np.isfinite(arms.harm_level[row])):
            arms.closed_offset[row], arms.next_mark[row] = np.iinfo(np.int64).max, 0
            start, end = np.searchsorted(looks.pairs, [row, row + 1])
            first = int(
                start
                + np.searchsorted(looks.offsets[start:end], facts.offsets[finding.at], side="right")
            )
            carried = int(arms.count[row] + arms.count[arms.control[row]])
            at.append(np.arange(first, end))
            came.append(np.full(end - first, int(n[first - 1]) if first > start else carried))
    order = np.argsort(np.concatenate(at), kind="stable")
    return take(looks, np.concatenate(at)[order]), np.concatenate(came)[order]


def _look(
    facts: Facts, tables: ExperimentTables, after: Running, looks: Looks, came: Ints | None
) -> list[Finding]:
    arms = tables.arms
    chosen = choose_outcomes(tables, looks)
    if (arms.flipped[chosen] & arms.ramped[chosen]).any():
        # The steps were put together before it was known what is counted of them.
        sides = Sides(looks.sides.control, looks.sides.treatment)
        looks = replace(looks, sides=with_strata(tables, looks.pairs, sides, looks.records, after))
    evidence = assess(arms, looks.pairs, looks.offsets, looks.sides, exact=False)
    _latch(
        tables,
        looks,
        evidence.enough & (evidence.harm >= arms.harm_level[looks.pairs]),
        Verdict.HARM,
    )
    _latch(
        tables,
        looks,
        evidence.enough & (evidence.gain >= arms.gain_level[looks.pairs]),
        Verdict.GAIN,
    )
    cuts = narrow(arms, looks, came)
    arms.unstable_offset[looks.pairs[cuts.emptied]] = looks.offsets[cuts.emptied]
    tables.pending.update(int(trial) for trial in arms.experiment_no[looks.pairs[cuts.emptied]])
    findings: list[Finding] = []
    if tables.pending:
        for trial in np.unique(arms.experiment_no[looks.pairs]):
            if int(trial) in tables.pending:
                findings += decide(facts, tables, after, int(trial), looks, cuts)
    cuts.store(arms, looks)
    take_back_outcomes(tables, chosen)
    return findings


def _latch(tables: ExperimentTables, looks: Looks, crossed: Flags, verdict: Verdict) -> None:
    """Marks the first moment of each pair at which the evidence is past its level and the exposures
    agree.
    """
    arms, column = tables.arms, "harm_offset" if verdict == Verdict.HARM else "gain_offset"
    at = np.flatnonzero(crossed & (arms[column][looks.pairs] < 0))
    at = at[agrees(arms, looks.pairs[at], looks.sides.take(at), verdict)]
    if not len(at):
        return
    pairs, first = np.unique(looks.pairs[at], return_index=True)
    arms[column][pairs] = looks.offsets[at[first]]
    tables.pending.update(int(trial) for trial in arms.experiment_no[pairs])
