"""Rows as a person or a program wants them: a table, JSON lines or CSV, of chosen columns."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from io import StringIO
from typing import Annotated, Any

import typer

from schemas.catalog import TOPICS, schema_text
from streams.files.rendering import line
from streams.runtime.errors import MendstreamError
from streams.runtime.terminal import Screen, say


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format", help="How rows are written; absent: a table at a terminal, else JSON lines."
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(help="Only these fields, in this order, with commas between.", show_default=False),
]


def chosen_format(given: Format | None, json_lines: bool, screen: Screen) -> Format:
    """What is asked for; without that a table where somebody looks at it."""
    if given is not None:
        return given
    return Format.TABLE if screen.is_terminal and not json_lines else Format.JSON


def chosen_columns(given: str | None, known: Sequence[str]) -> list[str]:
    """The fields that are asked for; all that are known where none is. Raises MendstreamError for
    one that is not there.
    """
    if given is None:
        return [*known]
    names = [name.strip() for name in given.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        near = get_close_matches(unknown[0] if unknown else "", known, 3) or known
        raise MendstreamError(
            f"There is no field {unknown[0]!r}." if unknown else "--columns names no field.",
            f"There are {', '.join(near)}.",
        )
    return names


def fields_of(topic: str) -> list[str]:
    """All fields of the records of a topic; none of one that holds bytes as they came."""
    record = TOPICS[topic].record
    if record is None:
        return []
    return [each["name"] for each in json.loads(schema_text(record))["fields"]]


def say_rows(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], form: Format, heads: bool = True
) -> None:
    """Writes rows as JSON lines or CSV, of these columns. heads: whether CSV begins with their
    names.
    """
    if form == Format.CSV and heads:
        say(_csv_line(columns))
    for row in rows:
        if form == Format.CSV:
            say(_csv_line([_plain_cell(row.get(name)) for name in columns]))
        else:
            say(line({name: row.get(name) for name in columns}))


def _plain_cell(value: Any) -> str:
    """A value in a cell of CSV: nested ones as JSON, absent ones empty. What a spreadsheet would
    take for a formula is marked as text.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t") else value
    if isinstance(value, list | dict | bool):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _csv_line(cells: Sequence[str]) -> str:
    out = StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().removesuffix("\n")
