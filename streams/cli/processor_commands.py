"""`mendstream processor` and `mendstream dev`, what stays running, and `mendstream compile`."""

import logging
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from confluent_kafka import KafkaException

from schemas.compiled_files import cache_note, keep_in
from streams.cli.support.local_pages import LocalPages
from streams.cli.support.log_lines import log_lines
from streams.cli.support.options import Given, command, failed, interruptible, leave
from streams.cli.support.with_parent import end_with_parent
from streams.engine.processor import Processor, check_installation
from streams.engine.quarantine import black_box
from streams.engine.topology import DECIDING
from streams.engine.transaction import Crash
from streams.kafka import schema_ids
from streams.kafka.admin import topics
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.error_messages import explained
from streams.kafka.reading import admin
from streams.operations.warm_up import warm_up
from streams.runtime.clock import monotonic, wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.health import Health
from streams.runtime.metrics import PARTITIONS, introduce
from streams.runtime.redaction import redacted
from streams.runtime.settings import Settings
from streams.runtime.supervisor import Worker
from streams.runtime.terminal import Screen, say

log = logging.getLogger("mendstream.cli")

_DEV = """\
Example: **mendstream dev --port 9092**

Then, in another terminal: **mendstream topics describe**, **mendstream publish FILE ...**,
**mendstream watch commands**, each with --bootstrap as printed. **mendstream dev --data-dir
~/mendstream-dev** goes on the next time where it was.
"""


def register(app: typer.Typer) -> None:
    command(app, "dev", epilog=_DEV)(dev)
    command(
        app,
        "processor",
        epilog="Example: **mendstream processor --bootstrap kafka:9092 --slot worker-1**",
    )(processor)
    command(app, "compile", epilog="Example: **mendstream compile**")(compile_agents)


def dev(
    given: Given,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Kafka's port; 0: any free one.")
    ] = 9092,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Keep the data here, for the next time; absent: they go with it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a development Kafka with its topics, a processor and the pages, until Ctrl-C."""
    interruptible()
    console = Screen(stderr=True, soft_wrap=True)
    with EmbeddedKafka(port=port, directory=data_dir) as kafka:
        own = {"bootstrap": kafka.bootstrap, "crash_directory": str(kafka.log.parent)}
        settings = given.settings().model_copy(update=own)
        schema_ids.register(settings)
        topics.create(admin(settings), settings)
        where = f" --bootstrap {kafka.bootstrap}"
        if settings.topic_prefix:
            where += f" --topic-prefix {settings.topic_prefix}"
        with Worker(settings) as worker, LocalPages(settings, kafka.log.parent) as pages:
            console.print(
                f"Kafka is at {kafka.bootstrap}, with its topics; the processor is starting, which "
                "takes a minute the first time. Try:"
            )
            console.print(f"  mendstream topics describe{where}")
            console.print("  mendstream publish FILE --help")
            console.print(f"  mendstream watch commands{where}")
            console.print(f"  mendstream table arms{where}")
            console.print(pages.promise)
            kept = "the data with it" if data_dir is None else f"the data stay in {data_dir}"
            console.print(f"Ctrl-C ends all of it, and {kept}.")
            while True:
                for told in _news(kafka, worker, pages):
                    console.print(told)


def _news(kafka: EmbeddedKafka, worker: Worker, pages: LocalPages) -> list[str]:
    """Waits until there is something to say. Raises MendstreamError where Kafka ended."""
    found: list[str] = []

    def look() -> bool:
        if kafka.ended:
            raise MendstreamError("Kafka ended by itself.", f"Its log is {kafka.log}.")
        if worker.watch():
            found.append("The processor ended and is started again.")
        if (told := pages.news()) is not None:
            found.append(told)
        return bool(found)

    wait_until(look, 3_600.0)
    return found


def processor(
    given: Given,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
) -> None:
    """Run one processor until SIGTERM or Ctrl-C: it finishes its transaction and leaves."""
    log_lines(given.verbose)
    settings = given.settings()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    if until_stdin_closes:
        end_with_parent()
    try:
        _process(settings)
    except SystemExit:
        _end(0)
    except Crash as error:
        log.error("crashed: %s", error)
        _end(1)
    except MendstreamError as error:
        _end(failed(error))
    except KafkaException as error:
        _end(failed(explained(error.args[0], settings)))
    except BaseException:  # noqa: BLE001 - whatever it was, nothing may be closed: see _end
        say(redacted(traceback.format_exc()), end="", err=True)
        _end(1)


def compile_agents(given: Given) -> None:
    """Compile what a processor runs, and keep it, so that its first start on this machine is quick.

    It takes a minute where nothing is kept yet, and some seconds after that.
    """
    folder = given.settings().compiled_directory
    keep_in(Path(folder) if folder else None)
    began = monotonic()
    warm_up()
    say(f"Compiled in {monotonic() - began:.0f} s. {cache_note()}".rstrip())


def _process(settings: Settings) -> None:
    introduce("processor", settings.group, settings.slot)
    PARTITIONS.set(settings.partitions)
    keep_in(Path(settings.compiled_directory) if settings.compiled_directory else None)
    codec, box = schema_ids.codec_for(settings), black_box(settings)
    health = Health().serve(settings.http_host, settings.http_port)
    check_installation(settings)  # what is amiss is told before anybody waits for a compiler
    log.info("/metrics, /live and /ready are at http://%s:%d", settings.http_host, health.port)
    _compile(health)
    worker = Processor(settings, codec, health, box=box, topology=DECIDING)

    def stop(_number: int, _frame: object) -> None:
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    worker.run()
    log.info("stopped")
    with health:
        pass  # its end stops the server


def _compile(health: Health) -> None:
    """Has the agents' machine code ready before the worker fences another or joins the group: in
    the loop, compiling would hold up decisions for a minute, and pass for a loop that is stuck.
    """
    began = monotonic()
    health.preparing = True
    log.info("preparing the agents' machine code, which takes a minute where none is kept")
    warm_up()
    health.alive()
    health.preparing = False
    log.info("prepared in %.1f s", monotonic() - began)
    if note := cache_note():
        log.warning(note)


def _end(code: int) -> NoReturn:
    """Ends at once: closing a consumer after a crash would hand over partitions as if their tables
    were committed.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
