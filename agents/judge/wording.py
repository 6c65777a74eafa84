"""The sentence that a person reads, and the numbers beside it."""

import numpy as np

from agents.judge.arms import Method, Tally
from agents.judge.assess import Effect, Totals, assess
from agents.numbers import grouped, odds
from agents.slice import Facts
from schemas.records import Evidence, ExperimentRow, Verdict
from state.tables import Tables


def evidence_of(
    facts: Facts,
    tables: Tables,
    row: int,
    offset: int,
    effect: Effect,
    control: Totals,
    treatment: Totals,
    verdict: Verdict,
) -> Evidence:
    """The numbers of one row at one moment. Where an interval cannot be given, low and high repeat the estimate."""
    arms = tables.arms
    sides = assess(arms, np.array([row]), np.array([offset]), control, treatment)
    log_e = sides.gain[0] if verdict == Verdict.GAIN else sides.harm[0]
    above = int(arms["control"][row])
    estimate = _finite(float(effect.effect[0]), 0.0)
    return Evidence(
        topic=facts.topic,
        partition=facts.partition,
        first_offset=int(min(arms["first_offset"][row], arms["first_offset"][above])),
        last_offset=offset,
        metric=arms.keys[row][2] or "",
        segment=None,
        estimate=estimate,
        low=_finite(float(effect.low[0]), estimate),
        high=_finite(float(effect.high[0]), estimate),
        log_e=float(log_e),
        count=int(control.count[0] + treatment.count[0]),
    )


def describe(
    tables: Tables,
    experiment: ExperimentRow,
    variant: str,
    row: int,
    effect: Effect,
    control: Totals,
    treatment: Totals,
    proof: Evidence,
    verdict: Verdict,
) -> str:
    """One sentence: what changed by how much, on how many records, how sure."""
    name = f"{experiment.subject}/{experiment.experiment_id}: treatment {variant}"
    numbers = f"{grouped(int(treatment.count[0]))} against {grouped(int(control.count[0]))}"
    method = tables.arms["method"][row]
    sure = odds(proof.log_e, "e" if method in (Method.COUNTS, Method.SPLIT) else "1/p")
    if verdict == Verdict.SPLIT:
        share = float(tables.arms["share"][row])
        seen = treatment.count[0] / max(1, treatment.count[0] + control.count[0])
        return f"{name} got {seen:.1%} of the units where {share:.1%} was planned ({numbers} units, {sure}): held"
    verb = "loses" if verdict == Verdict.HARM else "gains"
    rate = tables.arms["tally"][row] in (Tally.RATE, Tally.LATENCY)
    unit, scale = (" points", 100.0) if rate else ("", 1.0)
    if tables.arms["sign"][row] < 0:
        verb = "adds" if verdict == Verdict.HARM else "saves"
    size = f"{abs(proof.estimate) * scale:.3g}{unit} of {proof.metric}"
    interval = f"interval {proof.low * scale:.3g} to {proof.high * scale:.3g}"
    end = "roll back" if verdict == Verdict.HARM else "deploy"
    return f"{name} {verb} {size} ({interval}, {numbers} records, {sure}): {end}"


def _finite(value: float, otherwise: float) -> float:
    return value if np.isfinite(value) else otherwise
