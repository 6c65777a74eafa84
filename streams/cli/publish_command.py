"""`mendstream publish`: a file of results or metrics onto its topic."""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from schemas.catalog import METRICS, RESULTS, TOPICS
from schemas.codec import columns
from schemas.codec.framing import Codec
from schemas.records import ExperimentResult, ModelMetric
from schemas.validation import results_and_metrics
from streams.cli.support.options import Given, command
from streams.files.parsing import TimeFormat
from streams.files.row_ids import digest_of_file
from streams.files.tabular import Form, name_of, rows_of
from streams.kafka.admin.topics import check
from streams.kafka.publisher import Publisher
from streams.kafka.reading import admin
from streams.kafka.schema_ids import codec_for
from streams.operations.record_fates import PATIENCE_SECONDS, Aftermath, Became
from streams.runtime.clock import monotonic, now_ms
from streams.runtime.errors import MendstreamError
from streams.runtime.terminal import Screen, say

_TARGETS = {"results": (RESULTS, ExperimentResult), "metrics": (METRICS, ModelMetric)}
_CHECKS = {RESULTS: results_and_metrics.check_results, METRICS: results_and_metrics.check_metrics}
_BATCH = (
    2_000  # rows checked together; the error of a row comes before the rows of its batch are sent
)
_HEAD = 100  # rows whose columns are the file's; a line of JSON may leave out what is empty
_EPILOG = """\
Example: **mendstream publish clicks.csv.gz --to results --map subject:=shop --map
experiment_id:=checkout --map variant=arm --map metric:=conversion --map sum=clicked --map
occurred_at=ts**

Columns named like fields need no map. A row's event_id is made of all that its record says and of
the file's name, so that a file published again is known already, and one that grew brings only its
new rows. Where rows name neither a unit nor a moment (from columns), a file is known as a whole:
any change makes all of it new. A column event_id is taken as it is; **--new-ids** leaves it, which
a second metric of the same rows needs.

The last line says what became of the records: new, known already, refused (then this ends with 1),
or not taken in yet.
"""


def register(app: typer.Typer) -> None:
    command(app, "publish", epilog=_EPILOG)(publish)


def publish(
    given: Given,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or JSON lines, packed (.gz, .xz) or not; -: stdin.", show_default=False
        ),
    ],
    to: Annotated[Literal["results", "metrics"], typer.Option(help="Which topic the rows go to.")],
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="field=column, or field:=value for a constant. Repeatable."),
    ] = None,
    time_format: Annotated[
        TimeFormat,
        typer.Option(
            help="Times: ISO 8601, milliseconds or seconds since 1970; auto tells by the value."
        ),
    ] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the whole file, publish nothing.")
    ] = False,
    new_ids: Annotated[
        bool, typer.Option("--new-ids", help="Make ids although there is a column event_id.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option(
            min=0.0, help="Seconds without progress to wait for processors; 0: do not look."
        ),
    ] = PATIENCE_SECONDS,
) -> int | None:
    """Publish a file of experiment results or model metrics."""
    topic, record = _TARGETS[to]
    settings = given.settings()
    with rows_of(file) as rows:
        head = list(islice(rows, _HEAD))
        if not head:
            raise MendstreamError(f"{file} has no rows.", "Name a file with a header and rows.")
        columns_met = list(dict.fromkeys(chain.from_iterable(head)))
        form = Form(record, map_ or (), columns_met, name_of(file), time_format, new_ids)
        if form.whole:
            form.known_as(_digest(file))
        codec = codec_for(settings)
        records = (form.record(row, number) for number, row in enumerate(chain(head, rows), 1))
        batches = _batches(records, topic, codec, form, file)
        if dry_run:
            count = sum(len(batch) for batch in batches)
            _say(form)
            say(f"{count} rows of {name_of(file)} are good for {topic}; nothing was published.")
            return None
        check(admin(settings), settings, (topic,))
        aftermath = Aftermath(settings, codec) if wait else None
        publisher = Publisher(settings, codec)
        said = _send(batches, topic, publisher, file)
        _say(form)
    if aftermath is None:
        say(f"{said}; what became of them was not looked at")
        return None
    became = aftermath.became(publisher.written, wait)
    say("\n".join([*became.reasons(), *_repeats(form, became), f"{said}: {became.describe()}"]))
    return 1 if became.refused else None


def _repeats(form: Form, became: Became) -> list[str]:
    """Returns what to do about ids that the rows brought and others had carried."""
    if not (form.own_ids and became.known):
        return []
    return [
        f"{became.known} event_ids came before. If the rows are others (a second metric of them), "
        "add --new-ids."
    ]


def _digest(file: Path) -> str:
    if not file.is_file():
        raise MendstreamError(
            f"The rows of {file} name no unit and no moment, so the file must be read twice to "
            "know it again.",
            "Write it to a file first, or map unit_id, occurred_at or event_id to a column.",
        )
    with file.open("rb") as opened:
        return digest_of_file(opened)


def _say(form: Form) -> None:
    """Tells what was read otherwise than it was written."""
    for sentence in form.converted():
        say(f"{sentence}.", err=True)


def _send(
    batches: Iterator[list[tuple[str, bytes]]], topic: str, publisher: Publisher, file: Path
) -> str:
    """Publishes all; returns how many and how fast, as a sentence's beginning."""
    began = monotonic()
    bar = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
    )
    console = Screen(stderr=True)
    with Progress(
        *bar, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(name_of(file), total=None, said="")
        try:
            for batch in batches:
                publisher.publish_all(topic, batch)
                rate = publisher.sent / max(monotonic() - began, 1e-3)
                progress.update(
                    task, completed=publisher.sent, said=f"{publisher.sent} records, {rate:,.0f}/s"
                )
        except MendstreamError as error:
            publisher.flush()
            if not publisher.sent:
                raise
            told = f"{error.remedy} {publisher.sent} rows before it are published; "
            raise MendstreamError(
                error.fault, f"{told}they will count once if you publish the file again."
            ) from error
        publisher.flush()
    seconds = max(monotonic() - began, 1e-3)
    return (
        f"{publisher.acknowledged} records to {topic} in {seconds:.1f} s, "
        f"{publisher.sent / seconds:,.0f}/s"
    )


def _batches(
    records: Iterator[Any], topic: str, codec: Codec, form: Form, file: Path
) -> Iterator[list[tuple[str, bytes]]]:
    """Encoded records, after the checks that the processor makes. Raises MendstreamError for the
    first bad row.
    """
    done = 0
    while batch := list(islice(records, _BATCH)):
        values = [codec.encode(record) for record in batch]
        decoded = columns.decode(values, TOPICS[topic].record or "", codec)
        refused = [*decoded.refused, *_CHECKS[topic](decoded, np.full(len(values), now_ms()))]
        if refused:
            first = min(refused, key=lambda one: one.index)
            column = form.column_of(first.sentence.split()[0])
            where = f", column {column!r}" if column else ""
            raise MendstreamError(
                f"Row {done + first.index + 1} of {name_of(file)}{where}: {first.sentence}.",
                "The processor would refuse it.",
            )
        done += len(batch)
        yield [(record.subject, value) for record, value in zip(batch, values, strict=True)]
