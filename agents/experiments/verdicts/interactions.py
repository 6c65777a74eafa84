"""Finds where the effects of an experiment are others in the arms of another one that runs at the
same time on the same units: neither effect is then one that a deployment would have.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log

from agents.core.phrasing import odds
from agents.experiments.arms.overlaps import index_of
from agents.experiments.plan.terms import SPLIT_LEVEL
from agents.statistics.interaction import interaction_of
from schemas.records import ExperimentRow, ExperimentStatus
from state.pairs.pair_blocks import CLOSED, NO_BESIDE
from state.partition.experiment_tables import OVERLAPS, ExperimentTables, tied_to
from state.storage.table import row_key

BLOCKS_LEAST = 20.0  # of each arm of the other experiment; with fewer nothing is looked at


@dataclass(frozen=True, slots=True)
class Interacting:
    """A pair whose effect is another in each arm of the other experiment. log_e: that it is; odds:
    how many times as high the odds of a hit are in the treatment as in control, for units in the
    other's control, and in its treatment.
    """

    experiment: ExperimentRow
    metric: str
    variant: str
    other: str
    log_e: float
    odds: tuple[float, float]

    def sentence(self) -> str:
        """What is found, and what ends it."""
        first, second = self.odds
        name = self.experiment.experiment_id
        return (
            f"{self.variant!r} of {name} changes the odds of {self.metric!r} {first:.3g} times for "
            f"units in control of {self.other}, and {second:.3g} times for those in its treatment "
            f"({odds(self.log_e, 'e')}): no deployment of either is ordered before one of both "
            "ends; or try their combinations as the arms of one new experiment"
        )


def interactions_of(experiment: ExperimentRow, tables: ExperimentTables) -> list[Interacting]:
    """Those between a running experiment and others that are tied to it, or it to them; of each
    other the pair that proves it best.
    """
    found = list[Interacting]()
    if experiment.overlaps is not None and _runs(experiment, experiment.overlaps, tables):
        found += _best(experiment, tables)
    for row in tables.experiments.marked(OVERLAPS, tied_to(experiment)):
        if row.status == ExperimentStatus.RUNNING:
            found += _best(row, tables)
    best = dict[str, Interacting]()
    for one in sorted(found, key=lambda each: each.log_e):
        best[other_of(experiment, one)] = one
    return [best[name] for name in sorted(best)]


def other_of(experiment: ExperimentRow, one: Interacting) -> str:
    """The experiment_id of the other one of both."""
    return (
        one.other
        if one.experiment.experiment_id == experiment.experiment_id
        else one.experiment.experiment_id
    )


def _runs(experiment: ExperimentRow, other: str, tables: ExperimentTables) -> bool:
    row = tables.experiments.get(row_key(experiment.subject, other))
    return row is not None and row.status == ExperimentStatus.RUNNING


def _best(experiment: ExperimentRow, tables: ExperimentTables) -> Iterator[Interacting]:
    """The pair of an experiment whose effect differs most surely, where one does: at the level of
    the split, by Bonferroni over its pairs.
    """
    tested = list(_tested(experiment, tables))
    proved = [one for one in tested if one.log_e >= SPLIT_LEVEL + log(len(tested))]
    if proved:
        yield max(proved, key=lambda one: one.log_e)


def _tested(experiment: ExperimentRow, tables: ExperimentTables) -> Iterator[Interacting]:
    index = index_of(tables, experiment.subject, experiment.experiment_id)
    arms, blocks = tables.arms, tables.pairs.beside
    for metric, group in index.arms.items() if index is not None else ():
        for variant, row in group.items():
            first = 2 * int(arms.beside_slot[row])
            if first == 2 * NO_BESIDE or blocks[first : first + 2, CLOSED].min() < BLOCKS_LEAST:
                continue
            found = interaction_of(blocks, first, first + 1)
            each = exp(found.first), exp(found.second)
            yield Interacting(
                experiment, metric, variant, experiment.overlaps or "", found.log_e, each
            )
