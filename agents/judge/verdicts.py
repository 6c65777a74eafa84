"""Looks after every event: latches what is proved where it is first proved, and has it decided."""

from dataclasses import replace

import numpy as np

from agents.judge.assess import agrees, assess
from agents.judge.bases import choose_outcomes, take_back_outcomes
from agents.judge.decide import decide
from agents.judge.interval import narrow
from agents.judge.looks import Looks
from agents.judge.running import Running
from agents.judge.sides import Flags, Sides
from agents.judge.steps import with_strata
from agents.slice import Facts, Finding
from schemas.records import Verdict
from state.tables import Tables


def look(facts: Facts, tables: Tables, after: Running, looks: Looks) -> list[Finding]:
    """Evidence after every event of every pair that may still command; findings in the order of the log."""
    arms = tables.arms
    chosen = choose_outcomes(tables, looks)
    if (arms["flipped"][chosen] & arms["ramped"][chosen]).any():
        # The steps were put together before it was known what is counted of them.
        sides = Sides(looks.sides.control, looks.sides.treatment)
        looks = replace(looks, sides=with_strata(tables, looks.pairs, sides, looks.records, after))
    evidence = assess(arms, looks.pairs, looks.offsets, looks.sides, exact=False)
    _latch(tables, looks, evidence.enough & (evidence.harm >= arms["harm_level"][looks.pairs]), Verdict.HARM)
    _latch(tables, looks, evidence.enough & (evidence.gain >= arms["gain_level"][looks.pairs]), Verdict.GAIN)
    cuts = narrow(arms, looks)
    arms["unstable_offset"][looks.pairs[cuts.emptied]] = looks.offsets[cuts.emptied]
    tables.pending.update(int(trial) for trial in arms["trial"][looks.pairs[cuts.emptied]])
    findings: list[Finding] = []
    if tables.pending:
        for trial in np.unique(arms["trial"][looks.pairs]):
            if int(trial) in tables.pending:
                findings += decide(facts, tables, after, int(trial), looks, cuts)
    cuts.store(arms, looks)
    take_back_outcomes(tables, chosen)
    return sorted(findings, key=lambda finding: finding.at)


def _latch(tables: Tables, looks: Looks, crossed: Flags, verdict: Verdict) -> None:
    """Marks the first moment of each pair at which the evidence is past its level and the exposures agree."""
    arms, column = tables.arms, "harm_offset" if verdict == Verdict.HARM else "gain_offset"
    at = np.flatnonzero(crossed & (arms[column][looks.pairs] < 0))
    at = at[agrees(arms, looks.pairs[at], looks.sides.take(at), verdict)]
    if not len(at):
        return
    pairs, first = np.unique(looks.pairs[at], return_index=True)
    arms[column][pairs] = looks.offsets[at[first]]
    tables.pending.update(int(trial) for trial in arms["trial"][pairs])
