"""Folds the steps of a history, and keeps what came of it in bytes."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from agents.core.batch import Slice
from agents.flow.pipeline import apply_broadcast, fold, refresh
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC
from tests.support.histories.advice import PARTITIONS

WINDOW = 700  # offsets; small, so that ids are forgotten within a history


@dataclass(frozen=True)
class Told:
    """A broadcast record."""

    topic: str
    value: bytes


Step = Slice | Told


@dataclass
class Folded:
    """What folding came to, in bytes and by offsets, so that it does not depend on how the log was
    cut.
    """

    outputs: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    forwards: list[tuple[str, int, int, str]] = field(default_factory=list)
    refused: list[tuple[str, int, str, str]] = field(default_factory=list)
    applied: int = 0
    duplicates: int = 0
    records: int = 0
    verdicts: list[str] = field(default_factory=list)


def fresh_tables() -> PartitionState:
    return PartitionState(0, PARTITIONS, dedupe_window=WINDOW)


def take(step: Step, tables: PartitionState, into: Folded) -> None:
    """Folds one slice, or takes one broadcast record."""
    if isinstance(step, Told):
        apply_broadcast(step.topic, step.value, tables, CODEC)
        return
    effects = fold(step, tables, CODEC)
    for one in effects.outputs:
        into.outputs.append((one.topic, one.key, one.event_id, CODEC.encode(one.record)))
        verdict = getattr(one.record, "verdict", None)
        into.verdicts += [f"{verdict} {one.record.order} {one.record.outcome}"] if verdict else []  # type: ignore[attr-defined]
    offsets = [record.offset() for record in step.records]
    into.forwards += [
        (step.topic, offsets[one.index], one.partition, one.subject) for one in effects.forwards
    ]
    into.refused += [
        (step.topic, offsets[one.index], one.reason, one.sentence) for one in effects.refused
    ]
    into.applied += effects.applied
    into.duplicates += effects.duplicates
    into.records += len(step.records)
    met = effects.applied + effects.duplicates + len(effects.forwards) + len(effects.refused)
    assert met == len(step.records)
    fated = [*(one.index for one in effects.forwards), *(one.index for one in effects.refused)]
    assert len(set(fated)) == len(fated)


def take_all(steps: Iterable[Step], tables: PartitionState) -> Folded:
    into = Folded()
    for step in steps:
        take(step, tables, into)
    return into


def snapshot(tables: PartitionState) -> dict[str, dict[str, bytes]]:
    """Every row of every table, after its evidence was worked out."""
    refresh(tables)
    return {topic: dict(table.snapshot(CODEC)) for topic, table in tables.all().items()}
