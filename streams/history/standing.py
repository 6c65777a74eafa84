"""Says where an experiment stands, from the rows of its tables as they are."""

from dataclasses import dataclass

from agents.experiments.verdicts.progress_wording import progress
from schemas.catalog import TABLES_ARMS, TABLES_EXPERIMENTS
from schemas.records import ArmRow, Decision, ExperimentRow
from streams.kafka.schema_ids import codec_for
from streams.kafka.table_reader import read_table
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class ExperimentStanding:
    """An experiment's row, those of its arms as a whole, and what they say in sentences."""

    experiment: ExperimentRow
    arms: list[ArmRow]
    sentences: list[str]


def standing_of(settings: Settings, name: str) -> ExperimentStanding:
    """Returns where the experiment called SUBJECT/EXPERIMENT stands. Raises MendstreamError where
    there is none.
    """
    found = _standing(settings, name)
    if found is None:
        raise MendstreamError(
            f"There is no experiment {name!r} in {TABLES_EXPERIMENTS}.",
            "`mendstream table experiments` lists all; name one as SUBJECT/EXPERIMENT.",
        )
    return found


def pair_now(settings: Settings, decision: Decision) -> str | None:
    """Says in a sentence where the pair of a decision stands now; None where it was on none, or its
    experiment has left since.
    """
    if decision.experiment_id is None or decision.variant is None or not decision.metric:
        return None
    found = _standing(settings, f"{decision.subject}/{decision.experiment_id}")
    start = f"{decision.variant}, {decision.metric}: "
    sentences = found.sentences if found is not None else []
    return next((one for one in sentences if one.startswith(start)), None)


def _standing(settings: Settings, name: str) -> ExperimentStanding | None:
    codec = codec_for(settings)
    experiments = read_table(settings, codec, TABLES_EXPERIMENTS).values()
    experiment = next(
        (
            row
            for row in experiments
            if isinstance(row, ExperimentRow) and f"{row.subject}/{row.experiment_id}" == name
        ),
        None,
    )
    if experiment is None:
        return None
    arms = [
        row
        for row in read_table(settings, codec, TABLES_ARMS).values()
        if isinstance(row, ArmRow)
        and (row.subject, row.experiment_id) == (experiment.subject, experiment.experiment_id)
        and row.segment is None
        and row.step is None
    ]
    arms.sort(key=lambda row: (row.metric, row.variant != experiment.control, row.variant))
    return ExperimentStanding(experiment, arms, progress(experiment, arms))
