"""Folds messages of the sources: what each says, what the join makes of it, and what is told of
both. Shared by the worker and the dry run.
"""

from collections import Counter
from dataclasses import dataclass, field

from confluent_kafka import Message

from agents.core.effects import Output
from ingest.join import Crossed, Join
from ingest.mapping import IngestMap, Source
from ingest.reading import Exposed, Happened, Passed, Place, Refused, said
from schemas.catalog import METRICS, RESULTS
from schemas.records import ExperimentResult, ModelMetric


@dataclass(slots=True)
class Folded:
    """What came of one message. refused: the first reason, how many of its records it concerns."""

    outputs: list[Output] = field(default_factory=list)
    refused: Refused | None = None
    refusals: int = 0
    fates: Counter[str] = field(default_factory=Counter)


class Folder:
    """Folds for one map. join: what is known of its units."""

    def __init__(self, ingest: IngestMap) -> None:
        self._sources: dict[str, Source] = {source.topic: source for source in ingest.sources}
        self.join = Join(ingest)

    def take(self, message: Message, now: int) -> Folded:
        """Takes in one message. now: the system's moment, ms: no record was written after it."""
        topic, folded = message.topic() or "", Folded()
        written = min(message.timestamp()[1], now)
        place = Place(topic, message.partition() or 0, message.offset() or 0, written)
        for each in said(self._sources[topic], message, place):  # type: ignore[arg-type]
            refused = self._taken(each, folded)
            if refused is not None:
                folded.refused = folded.refused or refused
                folded.refusals += 1
                folded.fates[f"refused ({refused.reason})"] += 1
        return folded

    def _taken(
        self,
        each: Exposed | Happened | ExperimentResult | ModelMetric | Refused | Passed,
        folded: Folded,
    ) -> Refused | None:
        match each:
            case Refused():
                return each
            case Passed():
                folded.fates["passed over by `where`"] += 1
                return None
            case Exposed() | Happened():
                before = self.join.fates.copy()
                refused = self.join.take(each)
                folded.fates += self.join.fates - before
                return refused
            case ExperimentResult() | ModelMetric():
                folded.outputs.append(output_of(each))
                folded.fates["results" if isinstance(each, ExperimentResult) else "metrics"] += 1
                return None

    def due(self, watermark: int) -> tuple[list[Output], list[Crossed]]:
        """The results of the units whose time has come, and the units that are left out."""
        made = self.join.advance(watermark)
        return (
            [output_of(each) for each in made if isinstance(each, ExperimentResult)],
            [each for each in made if isinstance(each, Crossed)],
        )


def output_of(record: ExperimentResult | ModelMetric) -> Output:
    """The output that a result or a metric is."""
    topic = RESULTS if isinstance(record, ExperimentResult) else METRICS
    return Output(topic, record.subject, record.event_id, record, record.occurred_at)
