"""Reads YAML that people wrote, in whatever encoding; faults are told by their place, without
quoting what stands there.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from streams.runtime.errors import MendstreamError, cannot_read

# What PyYAML lets through when a value does not fit its tag: !!int x, !!bool x, !!timestamp x.
_BROKEN = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
_QUOTED = re.compile(
    r"'(?![ ,])[^']{5,}'|\"[^\"]{5,}\"|<[^<>]{20,}>"
)  # what may be a password that was meant as text


def documents(path: Path) -> list[Any]:
    """The documents of a file, the empty ones as None. Raises MendstreamError for what cannot be
    read as YAML.
    """
    try:
        written = path.read_bytes()
    except FileNotFoundError as error:
        raise MendstreamError(f"There is no file {path}.", "Name a YAML file.") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a null character in it
        raise cannot_read(path, error, "Name a YAML file that can.") from error
    try:
        return list(yaml.safe_load_all(written))
    except _BROKEN as error:
        raise MendstreamError(
            f"{path.name} is not YAML: {_fault_of(error)}.", "Mend the file."
        ) from error


def document(path: Path) -> Any:
    """The only document of a file, None for an empty one. Raises MendstreamError as `documents`,
    and for several.
    """
    found = documents(path)
    if len(found) > 1:
        raise MendstreamError(
            f"{path.name} holds {len(found)} documents.", "Leave one; `---` parts them."
        )
    return found[0] if found else None


def lines_of(path: Path) -> dict[tuple[str | int, ...], int]:
    """The line of each key and item of a file's document, by the keys and numbers that lead to it.

    Raises MendstreamError as `documents`, and for a key that stands twice in one mapping, of which
    YAML would take the last without a word.
    """
    lines: dict[tuple[str | int, ...], int] = {}
    try:
        root = yaml.compose(path.read_bytes(), Loader=yaml.SafeLoader)
    except _BROKEN as error:
        raise MendstreamError(
            f"{path.name} is not YAML: {_fault_of(error)}.", "Mend the file."
        ) from error
    waiting: list[tuple[tuple[str | int, ...], yaml.Node | None]] = [((), root)]
    while waiting:
        place, node = waiting.pop()
        for name, at, each in _parts(node):
            line = at.start_mark.line + 1
            if (here := (*place, name)) in lines:
                raise MendstreamError(
                    f"{path.name}, line {line}: the key {name!r} stands twice, first in line "
                    f"{lines[here]}.",
                    "Leave one of them.",
                )
            lines[here] = line
            waiting.append((here, each))
    return lines


def _parts(node: yaml.Node | None) -> list[tuple[str | int, yaml.Node, yaml.Node]]:
    """The parts of a mapping or a sequence: name or number, where it begins, what it is."""
    if isinstance(node, yaml.SequenceNode):
        return [(number, each, each) for number, each in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return [(str(key.value), key, each) for key, each in node.value]
    return []


def _fault_of(error: Exception) -> str:
    """Returns where it is wrong and how. A parser's own sentence quotes the line, in which a
    password may stand.
    """
    if isinstance(error, yaml.reader.ReaderError):
        return f"after {error.position} bytes stands what is no text: save it as UTF-8"
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        said = _QUOTED.sub("something", error.problem or error.context or "it cannot be read")
        tab = "\\t" in said or "'\t'" in said
        return f"{where}{'a tab stands where spaces are due' if tab else said}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "a value in it is not what its kind allows, such as a date in month 13"
