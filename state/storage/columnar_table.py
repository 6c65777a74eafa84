"""The hot table: one numpy column a field, so that a slice of records is folded with a few array
steps.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.codec.columns import decode, encode_batch
from schemas.codec.framing import Codec
from schemas.ids import hash64
from schemas.refusals import DecodeError
from state.storage.hash_map import HashMap64
from state.storage.name_codes import Key, Keys
from state.storage.table import key_parts, row_key

Rows = NDArray[np.int64]
Hashes = NDArray[np.uint64]

_FIRST_CAPACITY = 1 << 10
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_NULL = np.uint64(0x94D049BB133111EB)  # the hash of an absent part


def combine(parts: Sequence[Hashes]) -> Hashes:
    """One 64-bit hash a row of several hashed parts, order included; never 0."""
    mixed = parts[0]
    with np.errstate(over="ignore"):
        for part in parts[1:]:
            mixed = (mixed ^ (mixed >> np.uint64(31))) * _MIX + part
    return np.where(mixed == 0, np.uint64(1), mixed)


def hash_part(column: pa.Array) -> Hashes:
    """The hash of each value of a string column, absent values included, shape (n,)."""
    if column.null_count == len(column):
        return np.full(len(column), _NULL)
    dictionary = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    hashes = np.append(hash64(dictionary.dictionary), _NULL)
    codes = dictionary.indices.fill_null(len(dictionary.dictionary)).to_numpy(zero_copy_only=False)
    return np.asarray(hashes[codes])


class ColumnarTable:
    """Rows named by a few strings; `columns` holds what is stored, `derived` what is worked out
    from it anew.

    A row is found by a 64-bit hash of its name alone: among a million rows two share one with
    probability 3e-8. A float column named in `nullable` stores NaN as null; a column named in
    `enums` stores the symbol at its code.
    """

    def __init__(
        self,
        topic: str,
        record: str,
        names: Sequence[str],
        columns: dict[str, str],
        derived: dict[str, str],
        nullable: Sequence[str] = (),
        enums: dict[str, Sequence[str]] | None = None,
    ) -> None:
        self.topic = topic
        self._record = record
        self._names = tuple(names)
        self._stored = tuple(columns)
        self._nullable = frozenset(nullable)
        self._enums = {
            name: pa.array(symbols, pa.string()) for name, symbols in (enums or {}).items()
        }
        self._index = HashMap64()
        self.keys = Keys(len(self._names))
        self._capacity = _FIRST_CAPACITY
        self._columns: dict[str, NDArray[Any]] = {}
        self._hold(
            {
                name: np.zeros(self._capacity, dtype)
                for name, dtype in {**columns, **derived}.items()
            }
        )
        self._dirty = np.zeros(self._capacity, np.bool_)
        self._gone: dict[str, None] = {}  # keys of deleted rows that no commit wrote yet

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, column: str) -> NDArray[Any]:
        """A whole column, shape (capacity,); writing to it changes the table. Fetch anew after
        `add`.
        """
        return self._columns[column]

    def find(self, hashes: Hashes) -> Rows:
        """The row of each hash, shape (n,); -1 where there is none."""
        return self._index.get(hashes)

    def add(self, hashed: int, key: Key) -> int:
        """Makes a row, all zeros; the caller fills it."""
        row = len(self.keys)
        self._grow(row + 1)
        self._index.put(np.array([hashed], np.uint64), np.array([row], np.int64))
        self.keys.append(key)
        if self._gone:
            self._gone.pop(row_key(*key), None)
        return row

    def drop(self, rows: Rows) -> Rows:
        """Deletes rows, and those behind them move up; returns where each row stands since, -1
        where it is gone.

        Its costs grow with the whole table. Columns that hold numbers of rows are the caller's to
        mend.
        """
        self._gone |= dict.fromkeys(self.keys.texts(rows))
        return self._close_up(rows)

    def touch(self, rows: Rows) -> None:
        """Marks rows as changed."""
        self._dirty[rows] = True

    def dirty_rows(self) -> Rows:
        return np.flatnonzero(self._dirty[: len(self.keys)])

    def changed(self, codec: Codec) -> list[tuple[str, bytes | None]]:
        rows = self.dirty_rows()
        self._dirty[rows] = False
        gone, self._gone = self._gone, {}
        return [*((key, None) for key in gone), *self._encode(rows, codec)]

    def snapshot(self, codec: Codec) -> Iterable[tuple[str, bytes]]:
        return [
            (key, value)
            for key, value in self._encode(np.arange(len(self.keys)), codec)
            if value is not None
        ]

    def restore(self, rows: Sequence[tuple[str, bytes | None]], codec: Codec) -> None:
        latest = dict(rows)
        self._forget([key for key, value in latest.items() if value is None])
        decoded = decode(
            [value for value in latest.values() if value is not None], self._record, codec
        )
        for refused in decoded.refused:
            raise DecodeError(refused.reason, f"a row of {self.topic}: {refused.sentence}")
        batch = decoded.batch
        names = [batch.column(name).dictionary_encode() for name in self._names]
        hashes = combine([hash_part(column) for column in names])
        found = self.find(hashes)
        fresh = np.flatnonzero(found < 0)
        self._grow(len(self.keys) + len(fresh))
        found[fresh] = np.arange(len(self.keys), len(self.keys) + len(fresh))
        self._index.put(hashes[fresh], found[fresh])
        self.keys.extend(names, fresh)
        for name in self._stored:
            column = self._columns[name]
            column[found] = self._to_numpy(name, batch.column(name)).astype(column.dtype)

    def _forget(self, keys: Sequence[str]) -> None:
        """Takes out the rows of these keys, where they are."""
        if not keys:
            return
        parts = zip(*map(key_parts, keys), strict=True)
        rows = self.find(combine([hash_part(pa.array(part, pa.string())) for part in parts]))
        if (rows >= 0).any():
            self._close_up(rows[rows >= 0])

    def _close_up(self, rows: Rows) -> Rows:
        stays = np.ones(len(self.keys), np.bool_)
        stays[rows] = False
        moved, kept = np.where(stays, np.cumsum(stays) - 1, -1), np.flatnonzero(stays)
        hashes, places = self._index.items()
        places = moved[places]
        self._index = HashMap64()
        self._index.put(hashes[places >= 0], places[places >= 0])
        self.keys.keep(kept)
        self._capacity = _FIRST_CAPACITY
        while self._capacity < len(kept):
            self._capacity *= 2
        self._hold(
            {name: _longer(column[kept], self._capacity) for name, column in self._columns.items()}
        )
        self._dirty = _longer(self._dirty[kept], self._capacity)
        return moved

    def _encode(self, rows: Rows, codec: Codec) -> Iterable[tuple[str, bytes | None]]:
        if not len(rows):
            return ()
        arrays = self.keys.columns(rows)
        arrays += [self._to_arrow(name, self._columns[name][rows]) for name in self._stored]
        batch = pa.RecordBatch.from_arrays(arrays, names=[*self._names, *self._stored])
        values = encode_batch(batch, self._record, codec)
        return zip(self.keys.texts(rows), values, strict=True)

    def _to_arrow(self, name: str, values: NDArray[Any]) -> pa.Array:
        if name in self._enums:
            return self._enums[name].take(pa.array(values))
        return pa.array(values, mask=np.isnan(values) if name in self._nullable else None)

    def _to_numpy(self, name: str, values: pa.Array) -> NDArray[Any]:
        if name in self._enums:
            values = pc.index_in(values, self._enums[name])
        return np.asarray(values.to_numpy(zero_copy_only=False))

    def _hold(self, columns: dict[str, NDArray[Any]]) -> None:
        """Takes these columns, each as an attribute of its name too."""
        self._columns = columns
        for name, column in columns.items():
            setattr(self, name, column)

    def _grow(self, rows: int) -> None:
        if rows <= self._capacity:
            return
        while self._capacity < rows:
            self._capacity *= 2
        self._hold(
            {name: _longer(column, self._capacity) for name, column in self._columns.items()}
        )
        self._dirty = _longer(self._dirty, self._capacity)


def _longer(column: NDArray[Any], size: int) -> NDArray[Any]:
    """The column followed by zeros; pages of zeros that are not used yet cost nothing."""
    longer = np.zeros(size, column.dtype)
    longer[: len(column)] = column
    return longer
