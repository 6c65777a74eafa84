"""The names of many rows, a code each: most rows share most of their names."""

from collections.abc import Sequence
from typing import overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from state.storage.table import row_key

Key = tuple[str | None, ...]
Codes = NDArray[np.int32]

NO_NAME = 0  # the code of an absent part
_FIRST_NAMES = 1 << 10


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
        return code

    def _make_room(self, more: int) -> None:
        if self._used + more > len(self._codes):
            codes = np.zeros(
                (max(1 << 10, 2 * len(self._codes), self._used + more), self._width), np.int32
            )
            codes[: self._used] = self._codes[: self._used]
            self._codes = codes
