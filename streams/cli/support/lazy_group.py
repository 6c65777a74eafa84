"""A command line of which each command is imported when it is run, or when its own help is asked
for: what somebody has not asked for is not waited for.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from importlib import import_module
from typing import Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

MARKUP: Literal["markdown"] = "markdown"


class LoadedCommands(MutableMapping[str, Any]):
    """Commands by name, in the order in which help lists them; asked for, one is imported.

    A module of commands has a function `register`, which adds them to an application.
    """

    def __init__(self, modules: Mapping[str, Mapping[str, str]]) -> None:
        """modules: by module, what help says of each command in a sentence."""
        self._module_of = {name: module for module, names in modules.items() for name in names}
        self.sentences = {name: said for names in modules.values() for name, said in names.items()}
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            app = typer.Typer(rich_markup_mode=MARKUP)
            import_module(self._module_of[name]).register(app)
            self._loaded |= typer.main.get_group(app).commands
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        raise TypeError("commands stay")

    def __contains__(self, name: object) -> bool:
        return name in self._module_of

    def __iter__(self) -> Iterator[str]:
        return iter(self._module_of)

    def __len__(self) -> int:
        return len(self._module_of)


class LazyGroup(TyperGroup):
    """Lists its commands without importing them. `modules` is what a subclass says of them, and
    `panels` which of them help lists together.
    """

    modules: Mapping[str, Mapping[str, str]] = {}
    panels: Mapping[str, Sequence[str]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._lazy = LoadedCommands(self.modules)
        self._panel_of = {name: panel for panel, names in self.panels.items() for name in names}
        self.commands = self._lazy

    def list_commands(self, ctx: Any) -> list[str]:
        """All commands, panel after panel."""
        return [*self._panel_of, *(name for name in self._lazy if name not in self._panel_of)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What help lists: a name and a sentence."""
        if cmd_name not in self._lazy:
            return None
        said = self._lazy.sentences[cmd_name]
        panel = self._panel_of.get(cmd_name)
        return TyperCommand(cmd_name, help=said, rich_markup_mode=MARKUP, rich_help_panel=panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is to run."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, self._lazy[name] if command is not None and name else command, rest
