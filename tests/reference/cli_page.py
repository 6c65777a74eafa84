"""docs/reference/cli.md: each command with its arguments and options, from the command line."""

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import typer

from streams.cli.app import application
from tests.reference.markdown import cell, page, table

_SHARED = ("bootstrap", "topic_prefix", "config", "group", "slot", "partitions", "verbose")
_HEADER = ("argument or option", "type", "default", "meaning")


def cli_page() -> str:
    root: Any = typer.main.get_command(application())
    shared: dict[str, Any] = {}
    parts = []
    for path, command in _commands(root):
        own = []
        for parameter in command.params:
            if parameter.name in _SHARED:
                shared[parameter.name] = parameter
            elif parameter.name != "help" and not getattr(parameter, "hidden", False):
                own.append(parameter)
        told = [f"## mendstream {' '.join(path)}", _prose(command.help or "")]
        if own:
            told.append(table(_HEADER, map(_row, own)))
        if command.epilog:
            told.append(_prose(command.epilog))
        parts += told
    options = [shared[name] for name in _SHARED if name in shared]
    return page(
        "The command line",
        "Every command also takes these options; each is a [setting](settings.md) too:",
        table(_HEADER, map(_row, options)),
        *parts,
    )


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", {})
    for name in sorted(inner):
        if not inner[name].hidden:
            yield from _commands(inner[name], (*path, name))
    if path and (not inner or command.invoke_without_command):
        yield path, command


def _row(parameter: Any) -> tuple[str, str, str, str]:
    options = [*parameter.opts, *parameter.secondary_opts]
    name = f"{{{parameter.name}}}" if parameter.param_type_name == "argument" else ""
    default = parameter.default
    shown = "required" if parameter.required else _default(default)
    return (
        f"`{name or ', '.join(options)}`",
        _kind(parameter),
        shown,
        cell(getattr(parameter, "help", "") or ""),
    )


def _kind(parameter: Any) -> str:
    kind, low, high = kind_of(parameter.type_descriptor.annotation), parameter.min, parameter.max
    if low is None and high is None:
        return kind
    return f"{kind}, {low} to {high}" if high is not None else f"{kind}, at least {low}"


def kind_of(annotation: Any) -> str:
    """A Python type for people.

    >>> kind_of(list[str]), kind_of(int | None), kind_of(Literal["a", "b"])
    ('text, repeatable', 'number', '`a`, `b`')
    """
    arguments = [one for one in get_args(annotation) if one is not NoneType]
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if get_origin(annotation) is list:
        return f"{kind_of(arguments[0])}, repeatable"
    if arguments:
        return kind_of(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{one.value}`" for one in annotation)
    return {bool: "switch", str: "text", int: "number", float: "number", Path: "path"}[annotation]


def _default(value: Any) -> str:
    if value is None or callable(value) or value is False or value in ((), [], ""):
        return ""
    return f"`{cell(str(getattr(value, 'value', value)))}`"


def _prose(text: str) -> str:
    """Help as it is written, without the marks that only a terminal needs."""
    return re.sub(r"[ \t]+\n", "\n", text.replace("\f", "").replace("\b", "").strip())
