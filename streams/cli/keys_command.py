"""`mendstream keys`: makes the key that commands are signed with, and tells what verifiers need of
it.
"""

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.support.options import Given, command
from streams.runtime.terminal import say
from streams.signing import signer

_NEW = """\
Example: **mendstream keys new signing.pem >> mendstream-keys.txt** keeps the private key in
signing.pem, which the processor is given as MENDSTREAM_SIGNING_KEY, and adds the public line to a
file for the deployers' verifiers.
"""
_PUBLIC = "Example: **mendstream keys public signing.pem**"
_File = Annotated[Path, typer.Argument(help="PEM file with the private key.", show_default=False)]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The keys that commands are signed with.", no_args_is_help=True)
    command(group, "new", epilog=_NEW)(new)
    command(group, "public", epilog=_PUBLIC)(public)
    app.add_typer(group, name="keys")


def new(_given: Given, file: _File) -> None:
    """Make a key in a new file, and print the line that verifiers know it by."""
    say(signer.public_line(signer.create(file), file.name))


def public(_given: Given, file: _File) -> None:
    """Print the line that verifiers know a key by."""
    say(signer.public_line(signer.load(file), file.name))
