"""The job of Kafka's test for our engine: each record is echoed, with the minimum and the sum of
its key so far.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agents.core.batch import Slice
from agents.core.effects import Effects, Output
from schemas.codec.framing import Codec
from state.storage.table import Table
from streams.engine.outbox import Emitter
from streams.engine.topology import Topology, no_broadcasts
from streams.engine.transaction import Outbox
from streams.runtime.settings import Settings

GROUP = "EosTest"
DATA, ECHO, MIN, SUM = "data", "echo", "min", "sum"
MINS, SUMS = "oracle.mins", "oracle.sums"  # the changelogs
OUTPUTS = (ECHO, MIN, SUM)
_INT, _LONG = struct.Struct(">i"), struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes that go to the partition that their input came from."""

    partition: int
    value: bytes


class Numbers:
    """A number for each key, with a changelog."""

    def __init__(self, topic: str, form: struct.Struct) -> None:
        self.topic = topic
        self._form = form
        self._rows: dict[str, int] = {}
        self._dirty: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str, otherwise: int) -> int:
        return self._rows.get(key, otherwise)

    def put(self, key: str, number: int) -> bytes:
        """Returns the number as it is written."""
        self._rows[key] = number
        self._dirty[key] = None
        return self._form.pack(number)

    def changed(self, _codec: Codec) -> list[tuple[str, bytes | None]]:
        dirty, self._dirty = self._dirty, {}
        return [(key, self._form.pack(self._rows[key])) for key in dirty]

    def restore(self, rows: Sequence[tuple[str, bytes | None]], _codec: Codec) -> None:
        for key, value in rows:
            assert value is not None, f"{key}: no row of {self.topic} is ever deleted"
            (self._rows[key],) = self._form.unpack(value)

    def snapshot(self, _codec: Codec) -> Iterable[tuple[str, bytes]]:
        return [(key, self._form.pack(number)) for key, number in self._rows.items()]


class Totals:
    """The memory of one partition."""

    def __init__(self, partition: int, _settings: Settings) -> None:
        self.partition = partition
        self.now = 0
        self.mins = Numbers(MINS, _INT)
        self.sums = Numbers(SUMS, _LONG)

    def all(self) -> Mapping[str, Table]:
        return {MINS: self.mins, SUMS: self.sums}


def fold(piece: Slice, totals: Totals, _codec: Codec) -> Effects:
    """Three outputs for each record, in its order."""
    outputs: list[Output] = []
    for record, value in zip(piece.records, piece.values, strict=True):
        assert value is not None, (
            f"{piece.topic}/{piece.partition} at {record.offset()}: the generator writes values"
        )
        key = (record.key() or b"").decode()
        (number,) = _INT.unpack(value)
        least = totals.mins.put(key, min(number, totals.mins.get(key, number)))
        total = totals.sums.put(key, number + totals.sums.get(key, 0))
        for topic, bytes_out in zip(OUTPUTS, (value, least, total), strict=True):
            event_id = f"{piece.partition}/{record.offset()}"
            outputs.append(
                Output(topic, key, event_id, Raw(piece.partition, bytes_out), totals.now)
            )
    totals.now = max(totals.now, int(piece.append_times.max()))
    return Effects(outputs=tuple(outputs), applied=len(piece.records))


class Echoes(Emitter):
    """Writes what is bytes already."""

    def output(self, output: Output, outbox: Outbox) -> None:
        assert isinstance(output.record, Raw), (
            f"{type(output.record).__name__} is none of this job's outputs"
        )
        outbox.add(output.topic, output.record.partition, output.key, output.record.value)


def _nothing(_totals: Totals) -> None:
    """This job keeps no derived state."""


EOS = Topology(
    version="eos-test",
    inputs=(DATA,),
    first=(),
    state=Totals,
    fold=fold,
    refresh=_nothing,
    rebuild=_nothing,
    remember=None,
    take_broadcast=no_broadcasts,
    emitter=Echoes,
)
