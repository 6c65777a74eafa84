"""Why nothing is decided of an experiment yet, and what would end the silence, from the rows that
people can read as well: no table is needed that decides.
"""

from collections.abc import Iterable, Iterator
from math import exp, isinf

from agents.core.phrasing import grouped, moment_of
from agents.core.policies import EXPOSURE
from agents.experiments.plan.discovery_budget import alpha_part_of
from agents.experiments.plan.terms import Parts, level_parts, levels
from schemas.records import (
    ArmRow,
    EvidenceKind,
    ExperimentRow,
    ExperimentStatus,
    MetricKind,
    MetricSpec,
    Pair,
    Role,
    State,
)

# Of the units expected those that really were needed, as `bench/cases_words.py` finds them.
EIGHT_OF_TEN = (0.35, 2.5)
LONG = 20.0  # nats; a number with more digits than a person reads


def progress(experiment: ExperimentRow, arms: Iterable[ArmRow]) -> list[str]:
    """Sentences on where an experiment stands: what ended it or holds it, what it lacks, what was
    ordered, and of each treatment and judged metric how much evidence there is and is needed.
    """
    rows = [
        row
        for row in arms
        if row.segment is None and row.step is None and row.variant != experiment.control
    ]
    return [
        *_whole(experiment),
        *_ordered(experiment),
        *(
            _pair(experiment, spec, row, level_parts(experiment))
            for spec in experiment.metrics
            if spec.role in (Role.GOAL, Role.GUARDRAIL) and spec.name != EXPOSURE
            for row in rows
            if row.metric == spec.name
        ),
        *gain_needs(experiment),
    ]


def _whole(experiment: ExperimentRow) -> Iterator[str]:
    if experiment.started_offset < 0:
        yield "No result has come yet; the first one begins it."
    if experiment.status == ExperimentStatus.STOPPED:
        yield "It is stopped: nothing more is judged."
    if experiment.status == ExperimentStatus.ENDED:
        yield f"It ended at {moment_of(experiment.ended_at)}: nothing more is judged."
    for lack in experiment.lacks:
        told = "" if lack.told_at >= 0 else " (not told yet: it may still come)"
        yield f"It lacks {lack.kind.lower()} {lack.name} since {moment_of(lack.since)}{told}."
    if experiment.split_offset >= 0:
        window = experiment.split_window
        ends = f"{grouped(window)} units as planned let it go" if window else "a new one ends this"
        yield f"It is held: its split of the units is not as planned; {ends}."


def _ordered(experiment: ExperimentRow) -> Iterator[str]:
    for done in experiment.decided:
        open_ = ", which is judged again, for its command was not carried out" if done.open else ""
        yield f"{done.order.capitalize()} of {done.variant} was ordered{open_}."


def _pair(
    experiment: ExperimentRow, spec: MetricSpec, row: ArmRow, parts: tuple[Parts, Parts]
) -> str:
    name = f"{row.variant}, {spec.name}"
    pair = Pair(row.variant, spec.name)
    if row.state == State.MISSING:
        return f"{name}: cannot be judged; its control or what its variance needs did not come."
    if row.effect is None or pair not in parts[0]:
        return f"{name}: nothing to compare yet; control and treatment need results."
    harm, gain = levels(experiment, pair, spec, parts)
    kind = "e" if row.evidence_kind == EvidenceKind.E_VALUE else "1/p"
    found = [f"evidence of harm {_told(kind, row.log_e_harm)} where {exp(harm):.3g} proves it"]
    if not isinf(gain):
        found.append(f"of gain {_told(kind, row.log_e_gain)} where {exp(gain):.3g} does")
    looks = f"looks {_size(spec, row.effect)}{_likely(spec, row)}"
    return f"{name}: {looks}; {', '.join(found)}; {_missing(row)}."


def _told(kind: str, log_e: float) -> str:
    return f"{kind} = {exp(log_e):.3g}" if log_e < LONG else f"log {kind} = {log_e:.1f}"


def _missing(row: ArmRow) -> str:
    if row.state in (State.HARM, State.GAIN):
        return "it is proved"
    if row.expected_more is None:
        return "no number of units is known that would prove something"
    more = int(row.expected_more)
    if row.state == State.WAIT:
        return f"{grouped(more)} more units for the least count"
    least, most = (grouped(round(part * more)) for part in EIGHT_OF_TEN)
    return (
        f"some {grouped(more)} more units for a verdict if it is what it looks like, {least} to "
        f"{most} in eight of ten such tests"
    )


def _likely(spec: MetricSpec, row: ArmRow) -> str:
    return "" if row.likely is None else f" (likely {_size(spec, row.likely)})"


def _size(spec: MetricSpec, value: float) -> str:
    rate = spec.kind in (MetricKind.RATE, MetricKind.LATENCY)
    return f"{value * 100.0:+.3g} points" if rate else f"{value:+.3g}"


def gain_needs(experiment: ExperimentRow) -> list[str]:
    """What a gain of this experiment needs, and why, in a sentence; none before its first result,
    or without a goal.
    """
    _, goals = level_parts(experiment)
    if experiment.ordinal < 1 or not goals:
        return []
    part, least = alpha_part_of(experiment), min(goals.values())
    return [
        f"A gain needs evidence of {1.0 / (experiment.alpha * part * least):.3g}: it is experiment "
        f"{experiment.ordinal} of its subject, after {experiment.discoveries} with a deployment, "
        f"which leaves it {part:.3g} of alpha {experiment.alpha:g}."
    ]
