"""Defines what a job is to the engine: its inputs, its memory, its folds. The engine knows of no
job but through this.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from agents.commands.disposition import VERSION
from agents.core.batch import Slice
from agents.core.effects import Effects
from agents.flow.pipeline import apply_broadcast, fold, rebuild, refresh, remember
from schemas.catalog import FIRST_INPUTS, INPUTS
from schemas.codec.framing import Codec
from schemas.refusals import RefusedRecord
from state.partition.partition_state import PartitionState
from state.storage.table import Table
from streams.engine.outbox import Emitter
from streams.runtime.settings import Settings

NOT_LEARNING = " learning=off"


class PartitionMemory(Protocol):
    """Defines what the engine asks of a job's memory of one partition.

    partition: its number. now: the highest append time applied, by the broker's clock, ms.
    """

    partition: int
    now: int

    def all(self) -> Mapping[str, Table]:
        """Its tables, by topic."""


S = TypeVar("S", bound=PartitionMemory)


@dataclass(frozen=True, slots=True)
class Topology(Generic[S]):
    """Defines what a job does with its memory `S`.

    inputs: co-partitioned topics, those that others are judged by first. first: of these, what
    waits is folded before anything else. state: makes the memory of one partition. fold: State
    changes, the slice does not. refresh: before rows are written. rebuild: what is derived, after
    rows were restored. remember: takes in the ids of a slice that was folded before a restart;
    None: the job needs none. take_broadcast: applies a record of a
    broadcast topic, or says why not; its last argument says whether an older Mendstream took it.
    """

    version: str  # of the folds: what a journal entry names
    inputs: tuple[str, ...]
    first: tuple[str, ...]
    state: Callable[[int, Settings], S]
    fold: Callable[[Slice, S, Codec], Effects]
    refresh: Callable[[S], None]
    rebuild: Callable[[S], None]
    remember: Callable[[Slice, S, Codec], None] | None
    take_broadcast: Callable[[str, bytes | None, S, Codec, bool], RefusedRecord | None]
    emitter: type[Emitter] = Emitter

    def agents(self, dedupe_window: int, learning: bool) -> str:
        """Returns the name of everything that must be equal for a replay to give the same bytes.

        >>> DECIDING.agents(dedupe_window=1_000, learning=True).partition(" ")[2]
        'dedupe=1000'
        """
        return f"{self.version} dedupe={dedupe_window}{'' if learning else NOT_LEARNING}"


def no_broadcasts(
    topic: str, _value: bytes | None, _state: PartitionMemory, _codec: Codec, _taken_before: bool
) -> RefusedRecord | None:
    """Returns what a job without broadcast topics says to a record of one."""
    return RefusedRecord(0, "NO_BROADCASTS", f"this job takes nothing of {topic}")


def tables_of(partition: int, partitions: int, agents: str) -> PartitionState:
    """The memory, still empty, of a partition that these agents folded."""
    window = int(agents.partition("dedupe=")[2].removesuffix(NOT_LEARNING))
    return PartitionState(partition, partitions, window, not agents.endswith(NOT_LEARNING))


def _tables(partition: int, settings: Settings) -> PartitionState:
    return PartitionState(
        partition, settings.partitions, settings.dedupe_window, settings.learning_enabled
    )


DECIDING: Topology[PartitionState] = Topology(
    version=VERSION,
    inputs=INPUTS,
    first=FIRST_INPUTS,
    state=_tables,
    fold=fold,
    refresh=refresh,
    rebuild=rebuild,
    remember=remember,
    take_broadcast=apply_broadcast,
)
