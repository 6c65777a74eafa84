"""Says where an experiment stands, from the rows of its tables as they are."""

from dataclasses import dataclass

from agents.experiments.verdicts.progress_wording import progress
from schemas.catalog import TABLES_ARMS, TABLES_EXPERIMENTS
from schemas.records import ArmRow, ExperimentRow
from streams.kafka.schema_ids import codec_for
from streams.kafka.table_reader import read_table
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Standing:
    """An experiment's row, those of its arms as a whole, and what they say in sentences."""

    experiment: ExperimentRow
    arms: list[ArmRow]
    sentences: list[str]


def standing_of(settings: Settings, name: str) -> Standing:
    """Returns where the experiment called SUBJECT/EXPERIMENT stands. Raises MendstreamError where
    there is none.
    """
    codec = codec_for(settings)
    experiments = read_table(settings, codec, TABLES_EXPERIMENTS).values()
    found = [
        row
        for row in experiments
        if isinstance(row, ExperimentRow) and f"{row.subject}/{row.experiment_id}" == name
    ]
    if not found:
        raise MendstreamError(
            f"There is no experiment {name!r} in {TABLES_EXPERIMENTS}.",
            "`mendstream table experiments` lists all; name one as SUBJECT/EXPERIMENT.",
        )
    (experiment, *_) = found
    arms = [
        row
        for row in read_table(settings, codec, TABLES_ARMS).values()
        if isinstance(row, ArmRow)
        and (row.subject, row.experiment_id) == (experiment.subject, experiment.experiment_id)
        and row.segment is None
        and row.step is None
    ]
    arms.sort(key=lambda row: (row.metric, row.variant != experiment.control, row.variant))
    return Standing(experiment, arms, progress(experiment, arms))
