"""One partition that reads what it writes, as it does over Kafka: what is keyed for an input comes
back as a record of it.
"""

from collections import defaultdict
from collections.abc import Iterable

from agents.core.effects import Output
from agents.flow.pipeline import apply_broadcast, fold, rebuild, refresh
from schemas.catalog import BROADCASTS, INPUTS, TICKS
from schemas.codec.framing import Record
from schemas.records import Policy, Tick
from state.partition.partition_state import PartitionState
from tests.support.builders import CODEC, NOON, Sent, piece, tables

TURNS_MAX = 100  # of records that follow from each other; more would never end


class Loop:
    """Folds records and all that follow from them. `now` is the broker's clock, ms."""

    def __init__(self, policy: Policy | None = None, learning: bool = True) -> None:
        self.tables = tables(learning=learning)
        self.now = NOON
        self.outputs: list[Output] = []
        self.refused: list[str] = []
        self._offsets: dict[str, int] = defaultdict(int)
        if policy is not None:
            assert apply_broadcast("policies.v1", CODEC.encode(policy), self.tables, CODEC) is None

    def send(self, topic: str, records: Iterable[Record]) -> list[Output]:
        """Everything that follows, in order."""
        waiting: list[tuple[str, list[bytes]]] = [
            (topic, [CODEC.encode(record) for record in records])
        ]
        found: list[Output] = []
        for _ in range(TURNS_MAX):
            if not waiting:
                break
            outputs = [output for name, values in waiting for output in self._fold(name, values)]
            found += outputs
            back = [
                (one.topic, [CODEC.encode(one.record)])
                for one in outputs
                if one.topic in (*INPUTS, *BROADCASTS)
            ]
            waiting = back
        assert not waiting, f"it goes on: {waiting[0][0]}"
        self.outputs += found
        return found

    def wait(self, ms: int) -> list[Output]:
        """Time passes; the partition ticks once at its end."""
        self.now += ms
        return self.send(TICKS, [Tick(0, self.now)])

    def restart(self) -> None:
        """Another worker takes the partition over, with the rows that were stored."""
        fresh = tables()
        fresh.now = self.tables.now
        for topic, table in self.tables.all().items():
            fresh.all()[topic].restore(list(table.snapshot(CODEC)), CODEC)
        rebuild(fresh)
        self.tables = fresh

    def records(self, topic: str) -> list[Record]:
        """All that was written to a topic so far."""
        return [output.record for output in self.outputs if output.topic == topic]

    def _fold(self, topic: str, values: list[bytes]) -> tuple[Output, ...]:
        if topic in BROADCASTS:
            for value in values:
                assert apply_broadcast(topic, value, self.tables, CODEC) is None
            return ()
        first = self._offsets[topic]
        self._offsets[topic] += len(values)
        effects = fold(
            piece(topic, [Sent(value, first + i, self.now) for i, value in enumerate(values)]),
            self.tables,
            CODEC,
        )
        self.refused += [f"{one.reason}: {one.sentence}" for one in effects.refused]
        return effects.outputs


def rows(tables: PartitionState) -> dict[str, dict[str, bytes]]:
    """Every row of every table, as stored."""
    refresh(tables)
    return {topic: dict(table.snapshot(CODEC)) for topic, table in tables.all().items()}
