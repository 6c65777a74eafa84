"""`mendstream conformance`: whether a deployer does what is asked of one."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from schemas.catalog import COMMANDS, STATUS
from schemas.ids import event_uuid
from streams.cli.support.options import Given, command
from streams.kafka.admin.topics import check
from streams.kafka.reading import admin
from streams.kafka.schema_ids import codec_for
from streams.operations.conformance.cases import CASES, Case, crashed
from streams.operations.conformance.probe import Probe
from streams.runtime.clock import now_ms
from streams.runtime.errors import MendstreamError
from streams.runtime.terminal import say
from streams.signing.signer import Signer, load, origin_of

_EPILOG = """\
Example: **mendstream conformance --key signing.pem --restart "docker kill deployer; docker start
deployer"**

It sends rollbacks of a subject that nobody has, *conformance-...*, to the command topics, so use a
Kafka for tests, or a deployer that may serve such a target. Without --key the commands are unsigned
and the refusal of bad signatures is not tried. Without --effects a deployer is believed in what it
reports. Ends with 0 where the deployer passes.
"""


def register(app: typer.Typer) -> None:
    command(app, "conformance", epilog=_EPILOG)(conformance)


def conformance(
    given: Given,
    key: Annotated[
        Path | None, typer.Option(help="Private key whose public half the deployer trusts.")
    ] = None,
    restart: Annotated[
        str, typer.Option(help="A shell command that kills the deployer and starts it again.")
    ] = "",
    effects: Annotated[
        str, typer.Option(help="Prints the command_id of each change at your targets, a line each.")
    ] = "",
    seconds: Annotated[
        float, typer.Option(min=1.0, help="What the deployer may take to end a command.")
    ] = 60.0,
) -> int:
    """Try a deployer: duplicates, stale tokens, expiry, signatures, aborted transactions, a
    crash.
    """
    settings = given.settings()
    check(admin(settings), settings, (*COMMANDS.values(), STATUS))
    subject = f"conformance-{event_uuid('conformance', now_ms())[:8]}"
    signer = (
        Signer(load(key), origin_of(settings), topic_prefix=settings.topic_prefix)
        if key is not None
        else None
    )
    cases = [case for case in CASES if signer is not None or not case.signed]
    if restart:
        cases.append(Case("goes on where it was after a crash", crashed(restart), kills=True))
    seen = _printed(effects) if effects else None
    probe, wanting = Probe(settings, codec_for(settings), signer, subject, seconds, seen), 0
    for case in cases:
        fault = case.fault(probe)
        wanting += fault is not None
        say(f"{'FAIL' if fault else 'pass'}  {case.name}" + (f": {fault}" if fault else ""))
    probe.close()
    untried = {
        "signatures (--key)": signer,
        "a crash (--restart)": restart,
        "second effects (--effects)": effects,
    }
    left = [name for name, tried in untried.items() if not tried]
    say(
        f"{len(cases) - wanting} of {len(cases)} passed"
        + (f"; not tried: {', '.join(left)}" if left else "")
    )
    return 1 if wanting else 0


def _printed(shell: str) -> Callable[[], list[str]]:
    """Runs the person's own command; each line that it prints is one effect."""

    def ask() -> list[str]:
        done = subprocess.run(shell, shell=True, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise MendstreamError(
                f"{shell!r} ended with {done.returncode}: {done.stderr.strip()}.", "Mend --effects."
            )
        return done.stdout.split("\n")

    return ask
