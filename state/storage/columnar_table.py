"""The hot table: its rows are records of one numpy array, so that compiled code finds all of a row
in a few cache lines and Python sees each field as a column.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.codec.columns import decode
from schemas.codec.framing import Codec
from schemas.compiled import compiled
from schemas.refusals import DecodeError
from schemas.text_hash import ABSENT_HASH, MIX, hash64, hash_text, mix, sealed
from state.storage.hash_map import HashMap64, find
from state.storage.name_codes import Key, Keys
from state.storage.row_writer import encoded, fields_of, header_of
from state.storage.table import key_parts, row_key

Rows = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Record = TypeVar("Record", bound=np.generic)

_FIRST_CAPACITY = 1 << 10


def combine(parts: Sequence[Hashes]) -> Hashes:
    """One 64-bit hash a row of several hashed parts, order included; never 0."""
    mixed = parts[0]
    with np.errstate(over="ignore"):
        for part in parts[1:]:
            mixed = (mixed ^ (mixed >> np.uint64(31))) * MIX + part
    return np.where(mixed == 0, np.uint64(1), mixed)


def hash_part(column: pa.Array) -> Hashes:
    """The hash of each value of a string column, absent values included, shape (n,)."""
    if column.null_count == len(column):
        return np.full(len(column), ABSENT_HASH)
    dictionary = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    hashes = np.append(hash64(dictionary.dictionary), ABSENT_HASH)
    codes = dictionary.indices.fill_null(len(dictionary.dictionary)).to_numpy(zero_copy_only=False)
    return np.asarray(hashes[codes])


def hash_of_names(names: Sequence[str | None]) -> int:
    """The hash of one row's names, as `combine` gives it."""
    texts = [None if name is None else name.encode() for name in names]
    lengths = np.array([-1 if text is None else len(text) for text in texts], np.int64)
    data = np.frombuffer(b"".join(text or b"" for text in texts), np.uint8)
    return int(_hash_of_texts(data, lengths))


@compiled
def _hash_of_texts(data: NDArray[np.uint8], lengths: Rows) -> np.uint64:
    """lengths: of texts end to end in `data`, -1 of one that is not there."""
    mixed, at = np.uint64(0), 0
    for number in range(len(lengths)):
        length = lengths[number]
        part = hash_text(data, at, length) if length >= 0 else ABSENT_HASH
        mixed = part if number == 0 else mix(mixed, part)
        at += max(length, 0)
    return sealed(mixed)


class ColumnarTable:
    """Rows named by a few strings; `stored` names what is stored, `derived` what is worked out from
    it anew.

    records: the rows as an array of records, shape (capacity,), whose fields lie in the order of
    `first`; each field is an attribute too, a view of shape (capacity,). is_changed: since the last
    call of `changed`, beside them so that all rows are looked at quickly. Fetch each anew after
    `add` and `drop`, which may make longer arrays.

    A row is found by a 64-bit hash of its name alone: among a million rows two share one with
    probability 3e-8. A float column that may be null stores NaN as null; a column named in
    `enums` stores the symbol at its code.
    """

    # The columns with the numbers of what a row has in each of `attached`, NOTHING where it has
    # nothing, by the field that this is stored as.
    ATTACHED: Mapping[str, str] = {}

    def __init__(
        self,
        topic: str,
        record: str,
        names: Sequence[str],
        stored: dict[str, str],
        derived: dict[str, str],
        enums: dict[str, Sequence[str]] | None = None,
        first: Sequence[str] = (),
    ) -> None:
        """first: the fields that are read most often, in the order in which they are to lie."""
        self.topic = topic
        self._record = record
        self._names = tuple(names)
        self._stored = tuple(stored)
        self._enums = {
            name: pa.array(symbols, pa.string()) for name, symbols in (enums or {}).items()
        }
        self._index = HashMap64()
        self.keys = Keys(len(self._names))
        types = {**stored, **derived}
        order = [*first, *(name for name in types if name not in first)]
        layout = np.dtype([(name, types[name]) for name in order], align=True)
        self._form = fields_of(record, self._names, layout, enums or {}, self.ATTACHED)
        self._hold(np.zeros(_FIRST_CAPACITY, layout), np.zeros(_FIRST_CAPACITY, np.bool_))
        self._gone: dict[str, None] = {}  # keys of deleted rows that no commit wrote yet

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, column: str) -> NDArray[Any]:
        """A whole column, shape (capacity,); writing to it changes the table. Fetch anew after
        `add`.
        """
        return np.asarray(self.records[column])

    def find(self, hashes: Hashes) -> Rows:
        """The row of each hash, shape (n,); -1 where there is none."""
        return self._index.get(hashes)

    @property
    def slots(self) -> Hashes:
        """The numbers of rows by hash, as compiled code reads them."""
        return self._index.slots

    def row_of(self, hashed: int) -> int:
        """The row of one hash; -1 where there is none."""
        return int(find(self._index.slots, np.uint64(hashed)))

    def hashes(self) -> Hashes:
        """The hash of the name of each row, shape (n,)."""
        by_row = np.zeros(len(self.keys), np.uint64)
        hashes, places = self._index.items()
        by_row[places] = hashes
        return by_row

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
        self.is_changed[rows] = True

    def dirty_rows(self) -> Rows:
        return np.flatnonzero(self.is_changed[: len(self.keys)])

    def changed(self, codec: Codec) -> list[tuple[str, bytes | None]]:
        rows = self.dirty_rows()
        self.is_changed[rows] = False
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
            column = self.records[name]
            column[found] = self._to_numpy(name, batch.column(name)).astype(column.dtype)

        self._restored(found, batch)

    def attached(self) -> tuple[NDArray[np.float64], ...]:
        """What is attached to rows, by number, each of the shape (m, width), in the order of
        ATTACHED.
        """
        return (np.zeros((1, 1)),)

    def _restored(self, rows: Rows, batch: pa.RecordBatch) -> None:
        """Called after these rows were restored from the columns of a batch."""

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
        capacity = _capacity_for(len(kept), _FIRST_CAPACITY)
        self._hold(_longer(self.records[kept], capacity), _longer(self.is_changed[kept], capacity))
        return moved

    def _encode(self, rows: Rows, codec: Codec) -> Iterable[tuple[str, bytes | None]]:
        if not len(rows):
            return ()
        start = header_of(self._record, codec)
        values = encoded(self.records, rows, self.keys, self._form, start, self.attached())
        return zip(self.keys.texts(rows), values, strict=True)

    def _to_numpy(self, name: str, values: pa.Array) -> NDArray[Any]:
        if name in self._enums:
            values = pc.index_in(values, self._enums[name])
        return np.asarray(values.to_numpy(zero_copy_only=False))

    def _hold(self, records: NDArray[np.void], is_changed: NDArray[np.bool_]) -> None:
        """Takes these rows, and each field as an attribute of its name."""
        self.records, self.is_changed = records, is_changed
        for name in records.dtype.names or ():
            setattr(self, name, records[name])

    def _grow(self, rows: int) -> None:
        if rows > len(self.records):
            capacity = _capacity_for(rows, len(self.records))
            self._hold(_longer(self.records, capacity), _longer(self.is_changed, capacity))


def _capacity_for(rows: int, capacity: int) -> int:
    while capacity < rows:
        capacity *= 2
    return capacity


def _longer(records: NDArray[Record], size: int) -> NDArray[Record]:
    """The records followed by zeros; pages of zeros that are not used yet cost nothing."""
    longer = np.zeros(size, records.dtype)
    longer[: len(records)] = records
    return longer
