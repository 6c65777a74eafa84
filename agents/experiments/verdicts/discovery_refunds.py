"""Takes in what an experiment that is over means for its subject's bound of false discoveries:
whether it was a discovery, and what it gives back of its charge.
"""

from agents.experiments.evidence.blocks import weighs_in_blocks
from agents.experiments.evidence.pair_evidence import evidence_of
from agents.experiments.evidence.repeated_units import design_effect_of
from agents.experiments.plan.discovery_budget import given_back, settled
from agents.experiments.plan.terms import EVIDENCE_KINDS, Method, level_parts
from schemas.records import EvidenceKind, ExperimentRow, ExperimentStatus, Pair, SubjectRow
from state.experiment_arms import ExperimentArms
from state.partition.experiment_tables import ExperimentTables
from state.storage.table import row_key


def discover(experiment: ExperimentRow, variant: str, tables: ExperimentTables) -> None:
    """Counts an experiment whose treatment is to be deployed among its subject's discoveries."""
    index = _index_of(experiment, tables)
    assert index is not None, "a treatment is deployed on results"
    _, parts = level_parts(experiment)
    found = {pair: part for pair, part in parts.items() if pair.variant == variant}
    back = sum(part * _given_back(experiment, pair, index, tables) for pair, part in found.items())
    _settle(experiment, back, True, tables)


def end(experiment: ExperimentRow, tables: ExperimentTables) -> None:
    """Gives back what an experiment leaves over that ends now, by its row of before.

    Of a discovery that was done as it was found.
    """
    running = experiment.status == ExperimentStatus.RUNNING and experiment.started_offset >= 0
    if not running or experiment.discovered:
        return
    index = _index_of(experiment, tables)
    _, pairs = level_parts(experiment)
    untested = 1.0 - sum(pairs.values())
    back = sum(part * _given_back(experiment, pair, index, tables) for pair, part in pairs.items())
    _settle(experiment, back + untested, False, tables)


def _given_back(
    experiment: ExperimentRow, pair: Pair, index: ExperimentArms | None, tables: ExperimentTables
) -> float:
    """Which part of its charge one pair gives back as its rows stand; all of what was never
    compared.
    """
    arms = tables.arms
    row = index.arms.get(pair.metric, {}).get(pair.variant) if index is not None else None
    if row is None or arms.control[row] < 0:
        return 1.0
    weighed = design_effect_of(arms.records, row) > 1.0  # such evidence is no e-value to the letter
    if arms.method[row] == Method.RATES_IN_BLOCKS:
        weighed = weighs_in_blocks(arms.records, arms.blocks.values, row) > 1.0
    doubtful = experiment.split_offset >= 0 and arms.method[row] == Method.COUNTS
    if EVIDENCE_KINDS[arms.method[row]] != EvidenceKind.E_VALUE or doubtful or weighed:
        return 0.0
    _, gain, _ = evidence_of(arms.records, tables.pairs, row)
    found = arms.gain_offset[row] >= 0 and gain >= arms.gain_level[row]
    return given_back(gain, float(arms.gain_level[row]), bool(found))


def _settle(experiment: ExperimentRow, back: float, found: bool, tables: ExperimentTables) -> None:
    row = tables.subjects.get(row_key(experiment.subject))
    assert isinstance(row, SubjectRow), f"an experiment without {experiment.subject}'s row"
    tables.subjects.put(settled(row, experiment, min(1.0, back), found))


def _index_of(experiment: ExperimentRow, tables: ExperimentTables) -> ExperimentArms | None:
    number = tables.index.number(row_key(experiment.subject, experiment.experiment_id))
    return tables.index[number] if number is not None else None
