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

from schemas.compiled_files import tell_of_compiling
from streams.files.rendering import cell
from streams.history.reexecution import ProgressCallback
from streams.runtime.errors import cannot_write
from streams.runtime.terminal import Screen, say

# what takes a minute the first time
COMPILING = "compiling the agents for this machine, which takes a minute and is kept for next time"
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write all of it into this file too.")
]


@contextmanager
def progress(what: str) -> Iterator[ProgressCallback]:
    """Says on a terminal's stderr how far long work is; and once, wherever stderr goes, that agents
    are compiled for it.
    """
    with Screen(stderr=True).status(what) as status:
        said = False

        def compiling(function: str) -> None:
            nonlocal said
            if not said:
                say(f"{COMPILING}.", err=True)
            said = True
            status.update(Text(f"compiling {function}"))

        tell_of_compiling(compiling)
        try:
            yield lambda told: status.update(Text(told))
        finally:
            tell_of_compiling(None)


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
