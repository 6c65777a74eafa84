"""Reads rows of CSV or JSON lines and makes records of them, by a map from fields to columns."""

import codecs
import csv
import gzip
import io
import json
import lzma
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import IO, Any

from streams.files.parsing import (
    Convert,
    FormError,
    TimeFormat,
    converter,
    is_moment,
    names_of,
    required,
    unit_written,
)
from streams.files.row_ids import TELLING, RowIds
from streams.runtime.errors import MendstreamError, cannot_read

Row = Mapping[str, Any]
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open}
_MAGIC: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\0": lzma.open}
_HEAD_BYTES = 6
STDIN = Path("-")
_JSON = (".jsonl", ".ndjson", ".json")
_BROKEN = (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError, csv.Error, json.JSONDecodeError)


@contextmanager
def rows_of(path: Path) -> Iterator[Iterator[Row]]:
    """The rows of a CSV or JSON lines file or pipe, which may be packed (.gz, .xz). Raises
    MendstreamError as it reads.
    """
    if path != STDIN and not path.exists():
        raise MendstreamError(
            f"There is no file {path}.", "Name a CSV or JSON lines file, packed (.gz, .xz) or not."
        )
    with ExitStack() as stack:
        yield _read(_opened(path, stack), path)


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a field's values: a column, or a constant."""

    field: str
    convert: Convert
    column: str | None
    constant: Any = None
    is_moment: bool = False


class Form:
    """Makes records of rows, by the map and the columns of the first row.

    own_ids: whether the rows bring their event_id. whole: whether the file must be known as a
    whole, by its digest, because nothing in a row tells it from another.
    """

    def __init__(
        self,
        record: type,
        maps: Sequence[str],
        columns: Sequence[str],
        file: str,
        times: TimeFormat,
        new_ids: bool = False,
    ) -> None:
        """new_ids: a column event_id is left alone, as if there were none."""
        self._record, self._file = record, file
        self._times_by_unit: Counter[tuple[str, str]] = Counter()  # (column, unit)
        sources = _sources(record, maps, columns, times)
        self._sources = [one for one in sources if not (new_ids and one.field == "event_id")]
        in_columns = {one.field for one in self._sources if one.column is not None}
        self.own_ids = "event_id" in {one.field for one in self._sources}
        self.whole = not self.own_ids and not in_columns.intersection(TELLING)
        self._ids = RowIds(record, file)

    def known_as(self, digest: str) -> None:
        """Says what the whole file holds; needed where `whole`."""
        self._ids.digest = digest

    def record(self, row: Row, number: int) -> Any:
        """The record of a row; `number` counts from 1. Raises MendstreamError that names row and
        column.
        """
        values: dict[str, Any] = {}
        source: Source | None = None
        try:
            for source in self._sources:
                if source.column is None:
                    values[source.field] = source.constant
                elif (value := row.get(source.column)) is not None and value != "":
                    values[source.field] = source.convert(value)
                    if source.is_moment:
                        self._times_by_unit[source.column, unit_written(value) or ""] += 1
            if not self.own_ids:
                values["event_id"] = ""
            made = self._record(**values)
            return made if self.own_ids else replace(made, event_id=self._ids.of(made, number))
        except FormError as error:
            assert source is not None, "only a conversion raises it"
            raise MendstreamError(
                f"Row {number} of {self._file}, column {source.column!r}: {error}.",
                f"It is to be {source.field}.",
            ) from error
        except TypeError as error:
            empty = [
                s
                for s in self._sources
                if s.field in required(self._record) and s.field not in values
            ]
            if not empty:
                raise
            raise MendstreamError(
                f"Row {number} of {self._file}, column {empty[0].column!r}: it is empty.",
                f"It is to be {empty[0].field}, which no record may lack.",
            ) from error

    def converted(self) -> list[str]:
        """A sentence for each column whose numbers were taken for another unit than
        milliseconds.
        """
        return [
            f"{count} times in column {column!r} are numbers of {unit} since 1970, by their size, "
            "and were converted"
            for (column, unit), count in self._times_by_unit.items()
            if unit not in ("", "milliseconds")
        ]

    def column_of(self, field: str) -> str | None:
        """The column that a field comes from, if it does."""
        return next((source.column for source in self._sources if source.field == field), None)


def _sources(
    record: type, maps: Sequence[str], columns: Sequence[str], times: TimeFormat
) -> Iterator[Source]:
    """Each field once: as mapped, or else the column of its own name."""
    names = names_of(record)
    mapped: set[str] = set()
    for text in maps:
        field, sign, value = text.partition("=")
        constant = field.endswith(":")
        field = field.removesuffix(":").strip()
        if not sign or not field:
            raise MendstreamError(
                f"The map {text!r} is none.",
                "Write field=column, or field:=value for the same value in each record.",
            )
        if field not in names:
            raise MendstreamError(
                f"The map {text!r} names no field of {record.__name__}.",
                f"Its fields are {', '.join(names)}.",
            )
        if not constant and value not in columns:
            raise MendstreamError(
                f"The map {text!r} names no column of the file.",
                f"Its columns are {', '.join(columns)}.",
            )
        mapped.add(field)
        yield _source(record, field, value, constant, times)
    for name in names:
        if name in columns and name not in mapped:
            mapped.add(name)
            yield _source(record, name, name, False, times)
    lacking = [name for name in required(record) if name not in mapped and name != "event_id"]
    if lacking:
        raise MendstreamError(
            f"Nothing says where {', '.join(lacking)} of {record.__name__} "
            f"{'comes' if len(lacking) == 1 else 'come'} "
            "from.",
            f"Add --map {lacking[0]}=COLUMN or --map {lacking[0]}:=VALUE; the columns are "
            f"{', '.join(columns)}.",
        )


def _source(record: type, field: str, value: str, constant: bool, times: TimeFormat) -> Source:
    convert = converter(record, field, times)
    name = names_of(record)[field]
    if not constant:
        return Source(name, convert, value, is_moment=is_moment(name))
    try:
        return Source(name, convert, None, convert(value))
    except FormError as error:
        raise MendstreamError(
            f"The map {field}:={value} is wrong: {error}.", "Give another value."
        ) from error


def name_of(path: Path) -> str:
    """Returns the name of a file in ids and sentences.

    What comes through a pipe has no name that lasts, and is called standard input.
    """
    return path.name if path.is_file() else "standard input"


def _opened(path: Path, stack: ExitStack) -> IO[str]:
    """The text of a file or pipe, unpacked and decoded by how it begins. Raises MendstreamError for
    what cannot be one.
    """
    try:
        raw: Any = sys.stdin.buffer if path == STDIN else stack.enter_context(path.open("rb"))
        opener = _OPENERS.get(path.suffix) or next(
            (o for magic, o in _MAGIC.items() if _head(raw).startswith(magic)), None
        )
        unpacked = stack.enter_context(io.BufferedReader(opener(raw, "rb"))) if opener else raw
        head = _head(unpacked)
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise cannot_read(path, error) from error
    if head.startswith(b"PK\3\4"):
        raise MendstreamError(
            f"{path} is a ZIP archive, such as Excel's.", "Save it as CSV, or unpack it."
        )
    text = io.TextIOWrapper(unpacked, encoding=_encoding(head), newline="")
    stack.callback(text.detach)  # or it would close stdin
    return text


def _head(file: Any) -> bytes:
    return bytes(file.peek(_HEAD_BYTES)[:_HEAD_BYTES])


def _encoding(head: bytes) -> str:
    """By the mark at the beginning, or the zeros that UTF-16 puts beside ASCII; UTF-8 otherwise."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(head) > 3 and head[1] == head[3] == 0 != head[0]:
        return "utf-16-le"
    if len(head) > 3 and head[0] == head[2] == 0 != head[1]:
        return "utf-16-be"
    return "utf-8-sig"


def _read(file: Iterable[str], path: Path) -> Iterator[Row]:
    suffixes = [suffix for suffix in path.suffixes if suffix not in _OPENERS]
    lines, number = bool(suffixes) and suffixes[-1] in _JSON, 0
    try:
        if not suffixes:  # a pipe, or a file whose name does not say
            rest = iter(file)
            first = next(rest, "")
            lines, file = first.lstrip().startswith("{"), chain((first,), rest)
        for number, row in enumerate(
            _json_rows(file) if lines else csv.DictReader(file, strict=True), 1
        ):
            if not isinstance(row, dict) or None in row or (None in row.values() and not lines):
                raise MendstreamError(
                    f"Row {number} of {name_of(path)} has not the columns of the first line.",
                    "Mend the file." if not lines else "Each line is to be a JSON object.",
                )
            yield row
    except UnicodeDecodeError as error:
        raise MendstreamError(
            f"{name_of(path)} is not UTF-8 after row {number} (byte "
            f"{error.object[error.start]:#04x}).",
            "Save it as UTF-8, or recode it: `iconv -f windows-1252 -t utf-8 FILE | mendstream "
            "publish - ...`.",
        ) from error
    except _BROKEN as error:
        kind = "JSON lines" if lines else "CSV"
        raise MendstreamError(
            f"{name_of(path)} cannot be read as {kind} after row {number}: {error}.",
            "Name a CSV (.csv) or JSON lines (.jsonl) file, packed (.gz, .xz) or not, in UTF-8.",
        ) from error


def _json_rows(file: Iterable[str]) -> Iterator[Any]:
    return (json.loads(line) for line in file if line.strip())
