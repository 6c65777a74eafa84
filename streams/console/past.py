"""What the commands that fold the past again share: how far they are, and tables from which nothing is cut off."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from streams.errors import MendstreamError
from streams.relive import Told
from streams.show import cell

JsonFile = Annotated[Path | None, typer.Option("--json", help="Write all of it into this file too.")]


def answer() -> Console:
    """Where the answer goes; names come from strangers, so nothing in them is markup."""
    return Console(markup=False, highlight=False, emoji=False)


@contextmanager
def progress(what: str) -> Iterator[Told]:
    """Says on a terminal's stderr how far long work is, in words of our own: rich takes them for markup."""
    with Console(stderr=True).status(what) as status:
        yield status.update


def table(*columns: str, title: str | None = None) -> Table:
    made = Table(box=box.SIMPLE_HEAD, show_header=bool(columns), title=title, title_justify="left", title_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


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
        raise MendstreamError(f"{file} cannot be written: {error.strerror}.", "Name a file that can.") from error
