"""`mendstream config`: the settings in force, and where each comes from."""

import os
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.support.options import Given, command
from streams.files.rendering import line
from streams.runtime.redaction import shown
from streams.runtime.settings import Settings, read
from streams.runtime.terminal import Screen, listed, say

_EPILOG = """\
Each setting is an environment variable MENDSTREAM_NAME, a line `name: value` in a YAML file
(--config), or a file `name` in MENDSTREAM_SECRETS_DIRECTORY, and some are flags; a flag beats the
environment, which beats the YAML file, which beats those. Example: **mendstream config --config
settings.yaml --json**
"""


def register(app: typer.Typer) -> None:
    command(app, "config", epilog=_EPILOG)(config)


def config(
    given: Given,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object, also at a terminal.")
    ] = False,
) -> None:
    """Show the settings in force; secrets are stars."""
    settings = given.settings()
    values = {name: _shown(name, str(getattr(settings, name))) for name in Settings.model_fields}
    console = Screen(soft_wrap=True)
    if json or not console.is_terminal:
        say(
            line(
                {
                    name: {"value": value, "from": _source(given, name)}
                    for name, value in values.items()
                }
            )
        )
        return
    rows = [
        (name, values[name], _source(given, name), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    listed(console, ("setting", "value", "from", "what it is"), rows, "settings")


def _shown(name: str, value: str) -> str:
    return shown(value) if name.endswith("_url") and "://" in value else value


def _source(given: Given, name: str) -> str:
    if name in given.flags:
        return f"--{name.replace('_', '-')}"
    variable = f"MENDSTREAM_{name.upper()}"
    if variable.lower() in {each.lower() for each in os.environ}:
        return variable
    if given.file is not None and name in read(given.file):
        return str(given.file)
    directory = given.settings().secrets_directory
    if directory and (path := Path(directory) / name).is_file():
        return str(path)
    return "default"
