"""`mendstream ingest`: results and metrics out of the topics of others."""

import json
import logging
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from confluent_kafka import KafkaException

from streams.cli.support.log_lines import log_lines
from streams.cli.support.options import Given, command, failed
from streams.engine.transaction import Crash
from streams.files.ingest_map import read_map
from streams.files.rendering import plain
from streams.ingestion.sample import EXAMPLES, DryRun, DryRunOfSource, sample
from streams.ingestion.worker import IngestWorker
from streams.kafka.error_messages import explained
from streams.kafka.schema_ids import codec_for
from streams.runtime.clock import now_ms
from streams.runtime.errors import MendstreamError
from streams.runtime.health import Health
from streams.runtime.settings import Settings
from streams.runtime.terminal import say

log = logging.getLogger("mendstream.ingest")

_EPILOG = """\
Example: **mendstream ingest --map ingest.yaml --sample 100**

Then without --sample, as one worker of the map: it reads on where it stopped. docs/ingest.md says
what a map holds.
"""


def register(app: typer.Typer) -> None:
    command(app, "ingest", epilog=_EPILOG)(ingest)


def ingest(
    given: Given,
    map_: Annotated[
        Path, typer.Option("--map", help="YAML: which topics hold what.", show_default=False)
    ],
    sample_: Annotated[
        int,
        typer.Option(
            "--sample",
            min=0,
            max=100_000,
            help="Show what would come of so many of the newest records of each topic, and write "
            "nothing; 0: go to work.",
        ),
    ] = 0,
) -> int | None:
    """Make results and metrics of the events on topics of yours, each once, until Ctrl-C."""
    found = read_map(map_)
    settings = given.settings()
    if sample_:
        _show(sample(settings, found, sample_, now_ms()))
        return None
    log_lines(given.verbose)
    try:
        health = Health().serve(settings.http_host, settings.http_port)
        worker = IngestWorker(settings, codec_for(settings), found, health)
        _work(worker)
        with health:
            pass  # its end stops the server
    except Crash as error:
        log.error("crashed: %s", error)
        _end(1)
    except MendstreamError as error:
        _end(failed(error))
    except KafkaException as error:
        _end(failed(_kafka(error, settings)))
    return None


def _work(worker: IngestWorker) -> None:
    def stop(_number: int, _frame: object) -> None:
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    worker.run()
    log.info("stopped")


def _kafka(error: KafkaException, settings: Settings) -> MendstreamError:
    return explained(error.args[0], settings)


def _end(code: int) -> NoReturn:
    """Ends at once: after a crash nothing may be flushed that a transaction did not commit."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _show(found: DryRun) -> None:
    for source in found.sources:
        _show_source(source)
    if found.fates:
        say(f"units, their windows taken for over: {_counts(found.fates)}")
    say(f"{len(found.outputs)} records would be written; the first of them:")
    for output in found.outputs[:EXAMPLES]:
        said = {name: value for name, value in plain(output.record).items() if value is not None}
        say(f"  {output.topic} {json.dumps(said, default=str)}")
    say("Nothing was written.")


def _show_source(source: DryRunOfSource) -> None:
    say(f"{source.topic}: {source.records} records: {_counts(source.fates) or 'none'}")
    for partition, offset, refused in source.refused:
        say(f"  {partition}/{offset} {refused.reason}: {refused.sentence}")


def _counts(fates: Counter[str]) -> str:
    return ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items()))
