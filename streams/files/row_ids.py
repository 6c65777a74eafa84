"""The event ids of records made of a file's rows: of what they say and where they stand, so that a
repeat is known.

A row that names a unit or a moment is told by its content and by how many rows before it say the
very same: a file that grew, or was put into another order, gives its old rows the same ids. Rows
without either are told by their number in a file of just these bytes: the same file is known, and
any other is another.
"""

import hashlib
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Protocol

from schemas.ids import event_uuid

TELLING = frozenset(
    ("unit_id", "occurred_at", "assigned_at")
)  # fields whose columns tell rows apart
PACKED = (".gz", ".xz")
# Rows whose repeats are counted, at some 100 bytes each. Rows beyond are told by their number too:
# none is taken for
# another, but one that moves within such a file is new.
COUNTED_MAX = 2_000_000
_PIECE = 1 << 20  # bytes read at a time


class Bytes(Protocol):
    """A file open for reading bytes."""

    def read(self, size: int, /) -> bytes: ...


class RowIds:
    """Makes the ids of one file's records. digest: of the file, where its rows do not tell
    themselves apart.
    """

    def __init__(self, record: type, file: str, counted_most: int = COUNTED_MAX) -> None:
        self._file = _unpacked(file)
        self._defaults = [
            (each.name, each.default) for each in fields(record) if each.name != "event_id"
        ]
        self._met: dict[bytes, int] = {}
        self._most = counted_most
        self.digest = ""

    def of(self, record: Any, number: int) -> str:
        """The id of the record of row `number`, which counts from 1; each row is asked for once, in
        order.
        """
        content = self._content(record)
        if self.digest:
            return event_uuid("row", self._file, self.digest, number, content)
        key = hashlib.blake2b(content.encode(), digest_size=8).digest()
        if key not in self._met and len(self._met) >= self._most:
            return event_uuid("row", self._file, f"row {number}", content)
        before = self._met[key] = self._met.get(key, -1) + 1
        return event_uuid("row", self._file, before, content)

    def _content(self, record: Any) -> str:
        """Returns what is said, field by field; what has its default is left out, so that a field
        more changes no id.
        """
        said = []
        for name, default in self._defaults:
            value = getattr(record, name)
            if default is MISSING or value != default:
                said.append(f"{name}={value}")
        return "\x1f".join(said)  # no name may hold it


def digest_of_file(file: Bytes) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    found = hashlib.sha256()
    while piece := file.read(_PIECE):
        found.update(piece)
    return found.hexdigest()


def _unpacked(file: str) -> str:
    path = Path(file)
    return path.stem if path.suffix in PACKED else file
