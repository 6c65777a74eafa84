"""Holds what the commands that fold the past again share: how far they are, and tables from which
nothing is cut off.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from streams.files.rendering import cell
from streams.history.reexecution import ProgressCallback
from streams.runtime.errors import cannot_write
from streams.runtime.terminal import Screen

JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write all of it into this file too.")
]


@contextmanager
def progress(what: str) -> Iterator[ProgressCallback]:
    """Says on a terminal's stderr how far long work is."""
    with Screen(stderr=True).status(what) as status:
        yield lambda told: status.update(Text(told))


def shown(name: str, value: Any) -> str:
    """A field for people: numbers with six digits, moments as dates."""
    return f"{value:.6g}" if isinstance(value, float) else cell(name.rpartition(".")[2], value)


def write(file: Path | None, report: dict[str, Any]) -> None:
    """Writes the report, if somebody asked for one. Raises MendstreamError where it cannot be."""
    if file is None:
        return
    try:
        file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(file, error, "Name a file that can.") from error
