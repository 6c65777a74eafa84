"""`mendstream executor`: carries commands out and tells of alerts."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from streams.cli.support.log_lines import log_lines
from streams.cli.support.options import Given, command
from streams.kafka.schema_ids import codec_for
from streams.runtime.errors import MendstreamError
from streams.runtime.health import Health
from streams.runtime.metrics import introduce
from streams.signing.signer import origin_of
from streams.signing.verifier import load_keys

_HELP = """\
Example: **mendstream executor --targets targets.yaml --routes routes.yaml --keys
mendstream-keys.txt**

Example of targets.yaml:

`targets: [{kind: file, match: "shop/*", directory: state, strategy: canary, bake_seconds: 600}]` ·
`trainers: [{match: "*", url: "http://trainer/jobs"}]`

Example of routes.yaml:

`channels: {ops: {kind: alertmanager, url: "http://alertmanager:9093"}}` · `routes: [{severity:
HIGH, channels: [ops]}]`
"""


def register(app: typer.Typer) -> None:
    command(app, "executor", epilog=_HELP)(executor)


def executor(
    given: Given,
    targets: Annotated[
        Path, typer.Option(help="YAML: what serves models, what trains them.", show_default=False)
    ],
    routes: Annotated[
        Path | None, typer.Option(help="YAML: who is told of which alerts.", show_default=False)
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="Public keys whose commands are obeyed; absent: all are.")
    ] = None,
) -> None:
    """Carry commands out at your targets and tell of alerts, until SIGTERM or Ctrl-C."""
    # Faust is slow to import, and no other command needs it.
    from streams.executor.config_files import read_written
    from streams.executor.dispatcher import Gate, open_gate
    from streams.executor.notify.routes import RoutesFile
    from streams.executor.process import serve
    from streams.executor.signature_gate import gate_of, until_ms
    from streams.executor.targets_config import TargetsFile

    log_lines(given.verbose)
    settings = given.settings()
    sites = read_written(TargetsFile, targets)
    gate: Gate = open_gate
    codec, until = codec_for(settings), until_ms(settings.signature_1_until)
    if keys is not None:
        gate = gate_of(_trusted(keys), codec, origin_of(settings), until, settings.topic_prefix)
    leads = read_written(RoutesFile, routes) if routes is not None else None
    introduce("executor", settings.group, settings.slot)
    with Health().serve(settings.http_host, settings.http_port) as health:
        asyncio.run(serve(settings, codec, sites, leads, health, gate))


def _trusted(path: Path) -> dict[str, Ed25519PublicKey]:
    try:
        return load_keys(path)
    except (OSError, ValueError) as error:
        raise MendstreamError(
            f"{error}.", "`mendstream keys public FILE` prints a line for it."
        ) from error
