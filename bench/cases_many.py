"""Cases of a subject with many experiments: how many of its true gains are deployed, and how many
of its deployments are false.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from agents.experiments.plan.specs import apply_spec
from bench.case import Bar, Case, Measure
from bench.experiments import CONVERSION, experiment
from schemas.records import ExperimentStatus
from state.partition.partition_state import PartitionState
from streams.operations.simulated_tests import Flags, Records, deployed_of_one

RATE = 0.1
TOGETHER = 20  # units of an arm in one record, so that millions of units are folded in seconds


@dataclass(frozen=True, slots=True)
class Lived:
    """Of each experiment of one subject, in their order, shape (n,): whether its treatment is truly
    better, and whether it was deployed.
    """

    better: Flags
    deployed: Flags


def subject(
    rng: np.random.Generator, experiments: int, many: int, lift: float, share: float, units: int
) -> list[Lived]:
    """So many subjects, each with `many` experiments of `units` units one after the other, in a
    `share` of which the treatment's conversion of 10 % is truly higher by `lift`. An experiment is
    stopped once its treatment is deployed, or all units have come.
    """
    return [_lived(rng, rng.random(many) < share, lift, units) for _ in range(experiments)]


def _lived(rng: np.random.Generator, better: Flags, lift: float, units: int) -> Lived:
    tables, offset = PartitionState(0, 1), 0
    deployed = np.zeros(len(better), np.bool_)
    for number, is_better in enumerate(better):
        spec = replace(experiment(CONVERSION), experiment_id=f"simulated-{number}")
        records = units // TOGETHER
        treated = (np.arange(records) % 2 == 1)[:, None]
        rates = np.where(treated, RATE * (1.0 + lift * is_better), RATE)
        value = rng.binomial(TOGETHER, rates).astype(float)
        count = np.full(value.shape, TOGETHER)
        sent = Records((CONVERSION.name,), treated, value, count=count, named=False)
        deployed[number], offset = deployed_of_one(spec, sent, tables, offset)
        stopped = replace(spec, status=ExperimentStatus.STOPPED)
        apply_spec(stopped, 0, tables.experiments)
    return Lived(better, deployed)


def _found(one: Lived) -> float:
    """The share of the true gains that were deployed."""
    return float(np.mean(one.deployed[one.better])) if one.better.any() else np.nan


def _false(one: Lived) -> float:
    """The share of deployments that were false; 0 where there was none."""
    return int(np.sum(one.deployed & ~one.better)) / max(1, int(np.sum(one.deployed)))


def _mean(of: str) -> Measure:
    return lambda worlds: float(np.nanmean(_each(of, worlds)))


def _error(of: str) -> Measure:
    """The standard error of that mean."""
    return lambda worlds: _standard_error(_each(of, worlds))


def _each(of: str, worlds: Sequence[Sequence[list[Lived]]]) -> list[float]:
    measure = {"power": _found, "false": _false}[of]
    return [measure(one) for batches in worlds for batch in batches for one in batch]


def _standard_error(values: list[float]) -> float:
    known = np.array(values)[np.isfinite(values)]
    return float(np.std(known, ddof=1) / np.sqrt(len(known))) if len(known) > 1 else np.inf


def _bars(power: float, error: float = 0.02) -> tuple[Bar, ...]:
    return (
        Bar("false share of the deployments", 0.05, _mean("false")),
        Bar("its standard error", 0.02, _error("false")),
        Bar("true gains deployed", power, _mean("power"), at_least=True),
        Bar("its standard error, of the gains", error, _error("power")),
    )


CASES = (
    # Three times what e-LOND deployed in the same world, 0.055 with a standard error of 0.015.
    Case(
        "200 experiments of a subject, 20 % truly +10 % of 10 %, 40 000 units each",
        (partial(subject, many=200, lift=0.1, share=0.2, units=40_000),),
        _bars(0.16),
        24,
        2,
    ),
    Case(
        "200 experiments of a subject, 20 % truly +20 % of 10 %, 40 000 units each",
        (partial(subject, many=200, lift=0.2, share=0.2, units=40_000),),
        _bars(0.85),
        8,
        2,
    ),
    Case(
        "5 experiments of a subject, half of them truly +10 % of 10 %, 40 000 units each",
        (partial(subject, many=5, lift=0.1, share=0.5, units=40_000),),
        _bars(0.35, 0.03),
        200,
        20,
    ),
)
