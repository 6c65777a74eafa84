"""`mendstream config` and `mendstream keys`: the settings in force and where each comes from; the
key that commands are signed with, and what verifiers need of it.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.support.options import Given, command
from streams.files.rendering import line
from streams.runtime.redaction import shown
from streams.runtime.settings import Settings, read
from streams.runtime.terminal import Screen, listed, say
from streams.signing import signer

_CONFIG = """\
Each setting is an environment variable MENDSTREAM_NAME, a line `name: value` in a YAML file
(--config), or a file `name` in MENDSTREAM_SECRETS_DIRECTORY, and some are flags; a flag beats the
environment, which beats the YAML file, which beats those. Example: **mendstream config --config
settings.yaml --json**
"""
_NEW = """\
Example: **mendstream keys new signing.pem >> mendstream-keys.txt** keeps the private key in
signing.pem, which the processor is given as MENDSTREAM_SIGNING_KEY, and adds the public line to a
file for the deployers' verifiers.
"""
_PUBLIC = "Example: **mendstream keys public signing.pem**"
_File = Annotated[Path, typer.Argument(help="PEM file with the private key.", show_default=False)]


def register(app: typer.Typer) -> None:
    command(app, "config", epilog=_CONFIG)(config)
    group = typer.Typer(help="The keys that commands are signed with.", no_args_is_help=True)
    command(group, "new", epilog=_NEW)(new)
    command(group, "public", epilog=_PUBLIC)(public)
    app.add_typer(group, name="keys")


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


def new(_given: Given, file: _File) -> None:
    """Make a key in a new file, and print the line that verifiers know it by."""
    say(signer.public_line(signer.create(file), file.name))


def public(_given: Given, file: _File) -> None:
    """Print the line that verifiers know a key by."""
    say(signer.public_line(signer.load(file), file.name))


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
