"""`mendstream executor`: carries commands out and tells of alerts."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from streams.codecs import codec_for
from streams.console.given import Given, command
from streams.console.run import log_lines
from streams.errors import MendstreamError
from streams.health import Health
from streams.signing import origin_of
from streams.telemetry import introduce
from streams.verifier import load_keys

_HELP = """\
Example: **mendstream executor --targets targets.yaml --routes routes.yaml --keys mendstream-keys.txt**

Example of targets.yaml:

`targets: [{kind: file, match: "shop/*", directory: state, strategy: canary, bake_seconds: 600}]` ·
`trainers: [{match: "*", url: "http://trainer/jobs"}]`

Example of routes.yaml:

`channels: {ops: {kind: alertmanager, url: "http://alertmanager:9093"}}` · `routes: [{severity: HIGH, channels: [ops]}]`
"""


def register(app: typer.Typer) -> None:
    command(app, "executor", epilog=_HELP)(executor)


def executor(
    given: Given,
    targets: Annotated[Path, typer.Option(help="YAML: what serves models, what trains them.", show_default=False)],
    routes: Annotated[Path | None, typer.Option(help="YAML: who is told of which alerts.", show_default=False)] = None,
    keys: Annotated[Path | None, typer.Option(help="Public keys whose commands are obeyed; absent: all are.")] = None,
) -> None:
    """Carry commands out at your targets and tell of alerts, until SIGTERM or Ctrl-C."""
    # Faust is slow to import, and no other command needs it.
    from streams.executor.desk import Gate, open_gate
    from streams.executor.gate import gate_of, until_ms
    from streams.executor.notify.routes import RoutesFile
    from streams.executor.process import serve
    from streams.executor.sites import TargetsFile
    from streams.executor.yamls import read_written

    log_lines(given.verbose)
    settings = given.settings()
    sites = read_written(TargetsFile, targets)
    gate: Gate = open_gate
    codec, until = codec_for(settings), until_ms(settings.signature_1_until)
    if keys is not None:
        gate = gate_of(_trusted(keys), codec, origin_of(settings), until)
    leads = read_written(RoutesFile, routes) if routes is not None else None
    introduce("executor", settings.group, settings.slot)
    with Health().serve(settings.http_host, settings.http_port) as health:
        asyncio.run(serve(settings, codec, sites, leads, health, gate))


def _trusted(path: Path) -> dict[str, Ed25519PublicKey]:
    try:
        return load_keys(path)
    except (OSError, ValueError) as error:
        raise MendstreamError(f"{error}.", "`mendstream keys public FILE` prints a line for it.") from error
