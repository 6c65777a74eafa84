"""The job of the bench on Mendstream's engine: a job of its own, folded by columns, in place of the
deciding one.

Count, mean and sum of squared deviations of each (experiment, variant, metric), exactly once, with
a changelog, and each changed row put out at each commit. Settings come from the environment, as for
`mendstream processor`.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agents.core.batch import Slice
from agents.core.effects import Effects
from schemas.catalog import RESULTS, local_ids
from schemas.codec import columns
from schemas.codec.framing import Codec
from state.storage.columnar_table import combine, hash_part
from state.storage.hash_map import HashMap64
from state.storage.name_codes import Keys
from state.storage.table import Table
from streams.engine.processor import Processor
from streams.engine.topology import Topology, no_broadcasts
from streams.runtime.settings import Settings

CHANGELOG, ROWS = "bench.least-changelog", "bench.rows"
NAMES = ("experiment_id", "variant", "metric")
_ROW = np.dtype([("count", ">i8"), ("mean", ">f8"), ("squares", ">f8")])

Pairs = list[tuple[str, bytes | None]]


class Statistics:
    """A row of 24 bytes, big-endian, for each key; columns in memory."""

    topic = CHANGELOG

    def __init__(self) -> None:
        self._index = HashMap64()
        self._keys = Keys(len(NAMES))
        self._rows = np.zeros(1 << 10, _ROW.newbyteorder("="))
        self._dirty = np.zeros(1 << 10, np.bool_)
        self.put_out = PutOut()

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, named: Sequence[pa.DictionaryArray], values: NDArray[np.float64]) -> None:
        """Folds values, shape (n,), into the rows that columns of names say; Chan's step for a
        group at once.
        """
        hashes = combine([hash_part(column) for column in named])
        rows = self._index.get(hashes)
        if (rows < 0).any():
            self._open(named, hashes, np.flatnonzero(rows < 0))
            rows = self._index.get(hashes)
        touched, group = np.unique(rows, return_inverse=True)
        n = np.bincount(group).astype(np.float64)
        mean = np.bincount(group, values) / n
        squares = np.bincount(group, (values - mean[group]) ** 2)
        old = self._rows[touched]
        total = old["count"] + n
        apart = mean - old["mean"]
        self._rows["count"][touched] = total
        self._rows["mean"][touched] = old["mean"] + apart * n / total
        self._rows["squares"][touched] = (
            old["squares"] + squares + apart**2 * old["count"] * n / total
        )
        self._dirty[touched] = True

    def changed(self, _codec: Codec) -> Pairs:
        rows = np.flatnonzero(self._dirty[: len(self)])
        self._dirty[rows] = False
        raw, size = self._rows[rows].astype(_ROW).tobytes(), _ROW.itemsize
        pairs: Pairs = [
            (key, raw[at * size : (at + 1) * size]) for at, key in enumerate(self._keys.texts(rows))
        ]
        self.put_out.waiting = pairs
        return pairs

    def restore(self, rows: Sequence[tuple[str, bytes | None]], _codec: Codec) -> None:
        latest = dict(rows)
        named = [
            pa.array(names).dictionary_encode()
            for names in zip(*(key.split("|") for key in latest), strict=True)
        ]
        hashes = combine([hash_part(column) for column in named])
        self._open(named, hashes, np.flatnonzero(self._index.get(hashes) < 0))
        self._rows[self._index.get(hashes)] = np.frombuffer(
            b"".join(filter(None, latest.values())), _ROW
        )

    def snapshot(self, _codec: Codec) -> Iterable[tuple[str, bytes]]:
        return ()

    def _open(
        self, named: Sequence[pa.DictionaryArray], hashes: NDArray[np.uint64], at: NDArray[np.int64]
    ) -> None:
        fresh, first = np.unique(hashes[at], return_index=True)
        start = len(self)
        self._keys.extend(named, at[first])
        self._index.put(fresh, np.arange(start, len(self)))
        while len(self) > len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._dirty = np.concatenate([self._dirty, np.zeros_like(self._dirty)])


class PutOut:
    """The rows of a commit once more, on the topic that others read."""

    topic = ROWS

    def __init__(self) -> None:
        self.waiting: Pairs = []

    def __len__(self) -> int:
        return 0

    def changed(self, _codec: Codec) -> Pairs:
        waiting, self.waiting = self.waiting, []
        return waiting

    def restore(self, rows: Sequence[tuple[str, bytes | None]], _codec: Codec) -> None:
        """They are in the table already."""

    def snapshot(self, _codec: Codec) -> Iterable[tuple[str, bytes]]:
        return ()


class Memory:
    """The memory of one partition."""

    def __init__(self, partition: int, _settings: Settings) -> None:
        self.partition = partition
        self.now = 0
        self.statistics = Statistics()

    def all(self) -> Mapping[str, Table]:
        return {CHANGELOG: self.statistics, ROWS: self.statistics.put_out}


def fold(piece: Slice, memory: Memory, codec: Codec) -> Effects:
    decoded = columns.decode(piece.values, "ExperimentResult", codec)
    batch = decoded.batch
    named = [batch.column(name).dictionary_encode() for name in NAMES]
    memory.statistics.add(named, batch.column("sum").to_numpy())
    memory.now = max(memory.now, int(piece.append_times.max()))
    return Effects(applied=batch.num_rows, refused=decoded.refused)


def _nothing(_memory: Memory) -> None:
    """This job keeps no derived state."""


LEAST = Topology(
    version="bench-least",
    inputs=(RESULTS,),
    first=(),
    state=Memory,
    fold=fold,
    refresh=_nothing,
    rebuild=_nothing,
    remember=None,
    take_broadcast=no_broadcasts,
)


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    Processor(Settings(), Codec(local_ids()), topology=LEAST).run()


if __name__ == "__main__":
    main()
