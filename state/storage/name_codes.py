"""The names of many rows, a code each: most rows share most of their names."""

from collections.abc import Sequence
from typing import NamedTuple, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from state.storage.table import row_key

Key = tuple[str | None, ...]
Codes = NDArray[np.int32]

NO_NAME = 0  # the code of an absent part
_FIRST_NAMES = 1 << 10


class Texts(NamedTuple):
    """The UTF-8 of names by their codes: data[starts[code] : starts[code] + lengths[code]]."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


class Keys(Sequence[Key]):
    """Keys of `width` parts by row; a part's text is held once, whichever rows and places it stands
    in.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._names = np.full(_FIRST_NAMES, None, object)
        self._texts = np.full(
            _FIRST_NAMES, row_key(None), object
        )  # of the names, as they stand in the text of a key
        self._code_of: dict[str | None, int] = {None: NO_NAME}
        self._codes = np.zeros((0, width), np.int32)
        self._used = 0
        self._utf8 = _no_texts()
        self._utf8_used = 0  # bytes

    def __len__(self) -> int:
        return self._used

    @overload
    def __getitem__(self, row: int) -> Key: ...
    @overload
    def __getitem__(self, row: slice) -> list[Key]: ...
    def __getitem__(self, row: int | slice) -> Key | list[Key]:
        if isinstance(row, slice):
            return [self[at] for at in range(*row.indices(self._used))]
        if not 0 <= row < self._used:
            raise IndexError(row)
        return tuple(self._names[self._codes[row]].tolist())

    def name(self, code: int) -> str | None:
        name: str | None = self._names[code]
        return name

    def code(self, name: str | None) -> int:
        """The code of a name; -1 where no row has it."""
        return self._code_of.get(name, -1)

    def codes(self, part: int) -> Codes:
        """The code of one part of every key, shape (n,)."""
        return self._codes[: self._used, part]

    def codes_of(self, rows: NDArray[np.int64]) -> Codes:
        """The codes of all parts of these rows' keys, shape (n, width)."""
        return self._codes[rows]

    def texts_of_names(self) -> Texts:
        """The UTF-8 of all names; valid until a key is appended."""
        return self._utf8

    def names(self, part: int, rows: NDArray[np.int64]) -> list[str]:
        """The different names that stand in one part of these rows' keys, in no order."""
        named: list[str] = self._names[np.unique(self._codes[rows, part])].tolist()
        return named

    def append(self, key: Key) -> None:
        self._make_room(1)
        self._codes[self._used] = [self._coded(name) for name in key]
        self._used += 1

    def extend(self, columns: Sequence[pa.DictionaryArray], rows: NDArray[np.int64]) -> None:
        """Appends the keys that stand in these rows of columns of names, one column a part."""
        self._make_room(len(rows))
        new = self._codes[self._used : self._used + len(rows)]
        for part, column in enumerate(columns):
            known = np.array([*map(self._coded, column.dictionary.to_pylist()), NO_NAME], np.int32)
            new[:, part] = known[
                column.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)[rows]
            ]
        self._used += len(rows)

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Keeps the keys of these rows in their order, and only the names that they need."""
        codes = self._codes[rows]
        used = np.union1d(codes, [NO_NAME])
        names, texts = self._names[used], self._texts[used]
        size = max(_FIRST_NAMES, 2 * len(used))
        self._names, self._texts = np.full(size, None, object), np.full(size, row_key(None), object)
        self._names[: len(used)], self._texts[: len(used)] = names, texts
        self._code_of = {name: code for code, name in enumerate(names.tolist())}
        self._utf8, self._utf8_used = _no_texts(), 0
        for code, name in enumerate(names.tolist()):
            self._take(code, name or "")
        self._codes = np.searchsorted(used, codes).astype(np.int32)
        self._used = len(rows)

    def columns(self, rows: NDArray[np.int64]) -> list[pa.Array]:
        """The keys of these rows, as one string column a part."""
        return [pa.array(self._names[codes], pa.string()) for codes in self._codes[rows].T]

    def texts(self, rows: NDArray[np.int64]) -> list[str]:
        """The `row_key` of each of these rows."""
        return list(map("|".join, self._texts[self._codes[rows]].tolist()))

    def _coded(self, name: str | None) -> int:
        code = self._code_of.get(name)
        if code is None:
            code = self._code_of[name] = len(self._code_of)
            if code == len(self._names):
                self._names, self._texts = (
                    np.append(each, np.full(code, None)) for each in (self._names, self._texts)
                )
            self._names[code], self._texts[code] = name, row_key(name)
            self._take(code, name or "")
        return code

    def _take(self, code: int, name: str) -> None:
        """Keeps the UTF-8 of a name."""
        text, (data, starts, lengths) = name.encode(), self._utf8
        if code >= len(starts):
            starts, lengths = (np.append(each, np.zeros_like(each)) for each in (starts, lengths))
        end = self._utf8_used + len(text)
        if end > len(data):
            data = np.append(data, np.zeros(max(end, len(data)), np.uint8))
        data[self._utf8_used : end] = np.frombuffer(text, np.uint8)
        starts[code], lengths[code] = self._utf8_used, len(text)
        self._utf8, self._utf8_used = Texts(data, starts, lengths), end

    def _make_room(self, more: int) -> None:
        if self._used + more > len(self._codes):
            codes = np.zeros(
                (max(1 << 10, 2 * len(self._codes), self._used + more), self._width), np.int32
            )
            codes[: self._used] = self._codes[: self._used]
            self._codes = codes


def _no_texts() -> Texts:
    empty = np.zeros(_FIRST_NAMES, np.int64)
    return Texts(np.zeros(_FIRST_NAMES, np.uint8), empty, empty.copy())
