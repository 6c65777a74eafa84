"""What a job is to the engine: its inputs, its memory, its folds. The engine knows of no job but
through this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agents.commands.autonomy import VERSION
from agents.core.batch import Slice
from agents.core.effects import Effects
from agents.flow.pipeline import INPUTS, fold, rebuild, refresh, remember
from schemas.catalog import REQUESTS, REVIEWS, SPECS, STATUS
from schemas.codec.framing import Codec
from state.tables import Tables
from streams.engine.outbox import Emitter
from streams.runtime.settings import Settings

NOT_LEARNING = " learning=off"


@dataclass(frozen=True, slots=True)
class Topology:
    """`State` below is the job's own class; the engine asks of it `now`, `partition` and `all()`,
    its tables by topic.

    inputs: co-partitioned topics, those that others are judged by first. first: of these, what
    waits is folded before anything else. state: makes the memory of one partition. fold: State
    changes, the slice does not. refresh: before rows are written. rebuild: what is derived, after
    rows were restored. remember: takes in the ids of a slice that was folded before a restart;
    None: the job needs none.
    """

    version: str  # of the folds: what a journal entry names
    inputs: tuple[str, ...]
    first: tuple[str, ...]
    state: Callable[[int, Settings], Any]
    fold: Callable[[Slice, Any, Codec], Effects]
    refresh: Callable[[Any], None]
    rebuild: Callable[[Any], None]
    remember: Callable[[Slice, Any, Codec], None] | None
    emitter: type[Emitter] = Emitter

    def agents(self, dedupe_window: int, learning: bool) -> str:
        """Returns the name of everything that must be equal for a replay to give the same bytes.

        >>> DECIDING.agents(dedupe_window=1_000, learning=True).partition(" ")[2]
        'dedupe=1000'
        """
        return f"{self.version} dedupe={dedupe_window}{'' if learning else NOT_LEARNING}"


def tables_of(partition: int, partitions: int, agents: str) -> Tables:
    """The memory, still empty, of a partition that these agents folded."""
    window = int(agents.partition("dedupe=")[2].removesuffix(NOT_LEARNING))
    return Tables(partition, partitions, window, not agents.endswith(NOT_LEARNING))


def _tables(partition: int, settings: Settings) -> Tables:
    return Tables(partition, settings.partitions, settings.dedupe_window, settings.learning_enabled)


DECIDING = Topology(
    version=VERSION,
    inputs=INPUTS,
    first=(SPECS, STATUS, REQUESTS, REVIEWS),
    state=_tables,
    fold=fold,
    refresh=refresh,
    rebuild=rebuild,
    remember=remember,
)
